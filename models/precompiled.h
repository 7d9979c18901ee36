// Precompiled for all that is built on the API types.
#pragma once

#include "models/api/types/core.h"
#include "sim/precompiled.h"
