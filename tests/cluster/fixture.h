// A real Kubernetes control plane for a test: etcd, kube-apiserver, kube-controller-manager and
// KWOK, which plays the kubelets, as processes on free loopback ports. tests/cluster/up starts it
// and tests/cluster/down ends it; docs/guides/control-plane.md has the whole of it.
//
// A test program has one, made by the first call of shared(), and keeps its tests apart by
// namespaces (fresh_namespace). It ends with the object, at the latest with the test program,
// however that ends. Not thread-safe, but for the const members.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace plimsoll::cluster {

struct ControlPlaneOptions {
  std::string kubernetes;              // "1.37", "1.36"; empty: PLIMSOLL_KUBERNETES, else 1.37
  bool scheduler = false;              // kube-scheduler too
  int nodes = 0;                       // KWOK nodes, Ready when start() returns: node-00000, ...
  std::vector<std::string> arguments;  // further ones for tests/cluster/up
};

// What a component has taken of the machine since it started.
struct ComponentUsage {
  double cpu_seconds = 0;
  std::uint64_t resident_bytes = 0;
  std::uint64_t resident_bytes_max = 0;
};

class ControlPlane {
 public:
  // Takes seconds; minutes where the binaries have to be built first.
  static Result<ControlPlane> start(const ControlPlaneOptions& options = {});
  // The test program's own, without kube-scheduler and nodes. Aborts where it does not start.
  static ControlPlane& shared();

  ControlPlane(ControlPlane&& other) noexcept;
  ControlPlane& operator=(ControlPlane&& other) noexcept;
  ~ControlPlane();

  // Ends every process and removes the folder; the destructor does the same.
  Result<void> down();

  // The administrator's. Beside it scheduler.kubeconfig (system:kube-scheduler),
  // controller-manager.kubeconfig and kwok.kubeconfig.
  std::filesystem::path kubeconfig() const { return folder_ / "kubeconfig"; }
  std::filesystem::path folder() const { return folder_; }
  // Of etcd, kube-apiserver, kubectl and so on.
  std::filesystem::path binaries() const { return binaries_; }
  // "https://127.0.0.1:PORT", signed by certificate("ca").
  const std::string& server() const { return server_; }
  // "1.37".
  const std::string& kubernetes() const { return kubernetes_; }
  // Of ca, apiserver, admin, scheduler, controller-manager, kwok, front-proxy-ca, front-proxy.
  std::filesystem::path certificate(std::string_view name) const;
  std::filesystem::path key(std::string_view name) const;

  // What kubectl prints, as the administrator; `input` is its standard input. On failure the error
  // is all that it wrote.
  Result<std::string> kubectl(const std::vector<std::string>& arguments,
                              std::string_view input = "") const;
  // A namespace of that name and a number, in which pods can be made at once.
  Result<std::string> fresh_namespace(std::string_view name);

  // Components are etcd, kube-apiserver, kube-controller-manager, kube-scheduler and kwok. An error
  // where it does not run; 0 where pid() finds none.
  pid_t pid(std::string_view component) const;
  Result<ComponentUsage> usage(std::string_view component) const;
  Result<void> kill(std::string_view component);   // SIGKILL, and returns once it is gone
  Result<void> stop(std::string_view component);   // SIGSTOP: hangs, connections stay open
  Result<void> go_on(std::string_view component);  // SIGCONT
  // After kill(): with the same command line; returns once etcd or kube-apiserver serve.
  Result<void> restart(std::string_view component);
  // Its log, whole; for messages of failed tests.
  std::string log(std::string_view component) const;

 private:
  ControlPlane() = default;
  Result<void> signal(std::string_view component, int signal);

  std::filesystem::path folder_;  // empty: nothing runs
  std::filesystem::path binaries_;
  std::string server_;
  std::string kubernetes_;
  int namespaces_ = 0;
};

}  // namespace plimsoll::cluster
