// Precompiled for the test programs.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "models/precompiled.h"
