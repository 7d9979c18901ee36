// What a request does to the store: the REST semantics of the API server, kind by kind.
//
// Pure logic over the store at one instant; it knows neither latency nor watches. Changes are
// collected in the transaction, in order, for the journal and the watches.
// Sources: ../docs/models/apiserver.md; staging/src/k8s.io/apiserver/pkg/registry/generic/registry,
// pkg/registry/core/pod (strategy, eviction, binding), plugin/pkg/admission.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "models/api/types/core.h"
#include "models/apiserver/store.h"
#include "models/client/request.h"
#include "sim/world.h"

namespace mainspring::apiserver {

class ApiServer;

// The namespaces that a new cluster has.
inline constexpr std::string_view kOwnNamespaces[] = {"default", "kube-system", "kube-public",
                                                      "kube-node-lease"};

// Which of the real server's switches are on.
struct AdmissionOptions {
  bool default_tolerations = true;  // DefaultTolerationSeconds
  bool service_account = true;      // spec.serviceAccountName "default" where none is given
  bool taint_new_nodes = true;      // TaintNodesByCondition
};

// One request being carried out.
struct Transaction {
  sim::World& world;
  ApiServer& server;
  Store& store;
  api::Time now;
  std::vector<client::WatchEvent> changes;
};

// Turns a change into what a watch for bound pods sees; false if it sees nothing.
bool bound_view(client::WatchEvent& change);

class Registry {
 public:
  void configure(const AdmissionOptions& admission, std::string_view service_cidr);
  // The objects that exist in a new cluster: namespaces, priority classes, the kubernetes service.
  std::vector<client::Request> bootstrap() const;
  client::Outcome execute(Transaction& tx, const client::Request& request);
  // Takes away an object whose time to live is over.
  void expire(Transaction& tx, const api::ObjectRef& object) { erase(tx, object); }

 private:
  using Request = client::Request;
  using Outcome = client::Outcome;

  Outcome create(Transaction& tx, const Request& r);
  Outcome update(Transaction& tx, const Request& r);
  Outcome update_status(Transaction& tx, const Request& r);
  Outcome patch(Transaction& tx, const Request& r);
  Outcome scale(Transaction& tx, const Request& r);
  Outcome remove(Transaction& tx, const Request& r);
  Outcome remove_collection(Transaction& tx, const Request& r);
  Outcome bind(Transaction& tx, const Request& r);
  Outcome evict(Transaction& tx, const Request& r);
  Outcome finalize(Transaction& tx, const Request& r);
  Outcome list(Transaction& tx, const Request& r) const;

  // Finds the target; on failure fills `out` with NotFound or a failed precondition.
  const api::ObjectRef* target(Transaction& tx, const Request& r, Outcome& out) const;
  // The same for the object that r.body is a version of: its uid must agree and, where
  // `check_version` says so, its resourceVersion.
  const api::ObjectRef* body_target(Transaction& tx, const Request& r, bool check_version,
                                    Outcome& out) const;
  // Writes a new version of an existing object: stamps it, keeps what clients may not change,
  // removes it when its last finalizer has gone. A version equal to the old one is not written.
  Outcome commit(Transaction& tx, const api::ObjectRef& old, const api::Ref<api::Object>& next,
                 bool status_only);
  void erase(Transaction& tx, const api::ObjectRef& old);
  Outcome delete_object(Transaction& tx, const api::ObjectRef& old, const Request& r);

  bool check_namespace(Transaction& tx, const api::Object& o, Outcome& out) const;
  bool admit_create(Transaction& tx, api::Object& o, Outcome& out);
  bool admit_pod(Transaction& tx, api::Pod& pod, Outcome& out);
  void admit_service(Transaction& tx, api::Service& service);
  bool charge_quota(Transaction& tx, const api::Object& o, Outcome& out);
  api::Str generate_name(Transaction& tx, std::string_view prefix);
  api::Str make_uid(Transaction& tx, const api::Object& o) const;

  AdmissionOptions admission_;
  // What most pods get alike, held once: they share it.
  struct CommonToPods {
    api::Str service_account = "default";
    api::Str preemption_policy = "PreemptLowerPriority";
    api::Str phase = "Pending";
    api::Str scheduled = "PodScheduled";
    api::Str is_true = "True";
    api::List<api::Toleration> tolerations;
  };
  CommonToPods common_;
  uint32_t service_base_ = 0;  // first address of the service range, host order
  uint32_t service_size_ = 0;
  std::map<uint32_t, api::Str> service_ips_;  // address -> "namespace/name"
  std::map<int32_t, api::Str> node_ports_;
  std::map<std::string, uint64_t> generated_names_;  // prefix -> how many were drawn
};

}  // namespace mainspring::apiserver
