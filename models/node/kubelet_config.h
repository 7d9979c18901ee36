// Every constant of the node model, with its source. "k8s": read in Kubernetes' source (file
// named), a default of the kubelet's configuration; "budget": the latency budget of a pod start on
// a warm node, typical figures of public clusters (order of magnitude; change them by scenario).
#pragma once

#include <cstddef>
#include <cstdint>

#include "models/node/types.h"
#include "sim/time.h"

namespace mainspring::node {

struct KubeletConfig {
  using D = sim::Duration;

  // --- k8s: fixed by the kubelet ---------------------------------------------------------------
  // Pod worker: next sync after an error (kubelet.go backOffPeriod), times 1 + U[0, 0.5).
  D sync_retry = D::seconds(10);
  // Cap of that wait when a back-off says when it ends (pod_workers.go, syncFrequency).
  D sync_frequency = D::seconds(60);
  D pleg_period = D::seconds(1);             // kubelet.go genericPlegRelistPeriod
  D crash_backoff_initial = D::seconds(10);  // kubelet.go, MaxContainerBackOff
  D crash_backoff_max = D::seconds(300);
  D crash_backoff_forget = D::seconds(600);  // twice the maximum, client-go flowcontrol.Backoff
  D image_backoff_initial = D::seconds(10);  // images/image_manager.go
  D image_backoff_max = D::seconds(300);
  D minimum_grace = D::seconds(2);        // kuberuntime minimumGracePeriodInSeconds
  D lease_duration = D::seconds(40);      // nodeLeaseDurationSeconds; renewed at a quarter
  D lease_jitter = D::millis(400);        // 10 s * (1 + U[0, 0.04)), nodelease controller
  D node_status_period = D::seconds(10);  // nodeStatusUpdateFrequency
  D node_status_jitter = D::millis(400);  // 10 s * (1 + U[0, 0.04)), kubelet.go Run
  D node_status_report = D::minutes(5);   // nodeStatusReportFrequency
  D image_list_period = D::seconds(30);   // images/image_gc_manager.go Start: its image cache
  size_t node_status_max_images = 50;     // nodeStatusMaxImages
  D status_reconcile = D::seconds(10);    // status manager syncPeriod
  D registration_retry = D::seconds(7);   // cap of the kubelet's waits between tries
  D eviction_period = D::seconds(10);     // eviction monitoringInterval
  D pressure_hold = D::minutes(5);        // evictionPressureTransitionPeriod
  int64_t eviction_memory_available = 100LL << 20;  // evictionHard memory.available
  D volume_poll = D::millis(300);             // volume_manager.go podAttachAndMountRetryInterval
  D volume_loop = D::millis(100);             // its populator's and its reconciler's period
  D volume_backoff_initial = D::millis(500);  // goroutinemap/exponentialbackoff
  D volume_backoff_max = D::seconds(122);
  int64_t api_qps_milli = 50'000;  // kubeAPIQPS
  int64_t api_burst = 100;         // kubeAPIBurst

  // --- budget ----------------------------------------------------------------------------------
  Delay pod_dispatch{D::millis(1), D::millis(4)};  // watch event -> pod worker
  Delay cgroup_and_dirs{D::millis(5), D::millis(25)};
  Delay volume_mount{D::millis(10), D::millis(40)};     // configMap, secret, emptyDir, projected
  Delay disk_attach{D::seconds(3), D::seconds(4)};      // a persistent volume's attach and mount
  Delay sandbox{D::millis(150), D::millis(350)};        // sandbox and CNI ADD
  Delay image_check{D::millis(5), {}};                  // the image is there already
  Delay image_resolve{D::millis(100), D::millis(400)};  // token and manifests
  int64_t download_bytes_per_second = 100'000'000;      // compressed, node's or registry's share
  int64_t unpack_bytes_per_second = 150'000'000;        // compressed bytes unpacked per second
  Delay container_create{D::millis(50), D::millis(100)};
  Delay container_start{D::millis(50), D::millis(150)};
  Delay sandbox_stop{D::millis(50), D::millis(150)};  // StopPodSandbox, CNI DEL
  Delay pod_cleanup{D::millis(100), D::millis(400)};  // unmount, cgroup removal
  Delay probe_lag{{}, D::millis(1)};                  // a probe worker's wake-up
  Delay status_get{D::millis(3), D::millis(2)};       // the GET before each status patch
  // Process start -> Node object; zero because boot times count until registration.
  Delay register_node{};
  Delay network_ready{D::seconds(5), D::seconds(10)};  // Node object -> CNI up, Ready
  Delay reboot{D::seconds(45), D::seconds(15)};        // power on -> kubelet starts

  // --- options of the simulation ---------------------------------------------------------------
  // Every lease renewal and probe is an event of its own. Same results, much slower; for tests.
  bool simulate_every_beat = false;
  bool record_events = true;  // write core/v1 Events as the kubelet does
};

}  // namespace mainspring::node
