#include "probes/manager.hpp"

#include <boost/asio/io_context.hpp>
#include <catch2/catch.hpp>
#include <deque>
#include <map>

#include "base/task_group.hpp"
#include "servers.hpp"

using namespace keelson;
using namespace keelson::probes;
using namespace keelson::probes::test;

namespace {

const SystemTime kNow = SystemTime(std::chrono::hours(24 * 365 * 50));

// A pod "web" with one container "app", its probes run by exec: the command names the probe, the answers are set here.
// The clock is manual: nothing but at() moves it.
struct Fixture {
  Fixture() : manager(loop.get_executor(), clock, callbacks()) { pod->metadata.uid = "u1"; }
  ~Fixture() {
    Fixture* self = this;
    asio::co_spawn(
        loop, [](Fixture* f) -> Awaitable<void> { co_await f->manager.stop(); }(self),
        [](const std::exception_ptr&) {});
    loop.restart();
    loop.run();
  }

  ProbeCallbacks callbacks() {
    ProbeCallbacks c;
    c.exec = [this](std::string id, std::vector<std::string> argv, Nanoseconds) { return exec(this, id, argv[0]); };
    c.on_change = [this](const std::string& uid) { changes.push_back(uid); };
    c.on_event = [this](const std::string& uid, const std::string& container, std::string_view reason,
                        const std::string& message) {
      events.push_back(uid + "/" + container + " " + std::string(reason) + " " + message);
    };
    return c;
  }

  static Awaitable<Result<ExecResult>> exec(Fixture* f, std::string id, std::string name) {
    f->runs.push_back(name);
    if (f->hang.contains(name)) co_await sleep_for(f->hang[name]);
    ExecResult result;
    result.output = name + " in " + id;
    if (f->broken) co_return make_error(Errc::unavailable, "no runtime");
    result.exit_code = f->failing.contains(name) ? 1 : 0;
    co_return result;
  }

  kube::Container& container() {
    if (pod->spec.containers.empty()) pod->spec.containers.emplace_back().name = "app";
    return pod->spec.containers[0];
  }
  static kube::Probe probe(const std::string& name, int failure_threshold = 3) {
    kube::Probe p;
    p.exec.emplace();
    p.exec->command = {name};
    p.failure_threshold = failure_threshold;
    return p;
  }

  // Sets the clock to `seconds` after the start, reports the pod and lets everything due happen.
  void at(double seconds) {
    const SystemTime to = kNow + std::chrono::duration_cast<Nanoseconds>(std::chrono::duration<double>(seconds));
    clock.advance(to - clock.now());
    observe();
    settle();
  }
  void observe() {
    PodProbes seen;
    seen.pod = pod;
    seen.pod_ip = ip;
    seen.terminating = terminating;
    seen.containers.push_back(app);
    manager.update(seen);
  }
  void settle() {
    loop.restart();
    while (loop.poll() > 0) {
    }
  }
  void start(const std::string& id = "c1") {
    app.id = id;
    app.running = true;
    app.started_at = clock.now();
  }
  std::vector<std::string> take_runs() { return std::exchange(runs, {}); }
  bool ready() const { return manager.ready("u1", "app"); }
  bool started() const { return manager.started("u1", "app"); }

  asio::io_context loop;
  ManualClock clock{kNow};
  std::map<std::string, bool> failing;
  std::map<std::string, Nanoseconds> hang;
  bool broken = false;
  bool terminating = false;
  std::string ip = "10.0.0.1";
  std::vector<std::string> runs, changes, events;
  std::shared_ptr<kube::Pod> pod = std::make_shared<kube::Pod>();
  ObservedContainer app{"app", "", false, {}, {}, {}};
  ProbeManager manager;
};

using Names = std::vector<std::string>;

}  // namespace

TEST_CASE("manager: without probes, started and ready follow running") {
  Fixture f;
  f.container();
  CHECK_FALSE(f.ready());
  f.at(0);
  CHECK_FALSE(f.started());
  f.start();
  f.at(1);
  CHECK(f.started());
  CHECK(f.ready());
  f.app.running = false;
  f.at(2);
  CHECK_FALSE(f.started());
  CHECK_FALSE(f.ready());
  CHECK(f.runs.empty());
}

TEST_CASE("manager: readiness is probed at once, then each period") {
  Fixture f;
  f.container().readiness_probe = Fixture::probe("r", 2);
  f.at(0);
  CHECK(f.runs.empty());
  f.start();
  f.at(1);
  CHECK(f.take_runs() == Names{"r"});
  CHECK(f.ready());
  CHECK(f.changes == Names{"u1"});
  f.at(10.9);
  CHECK(f.take_runs().empty());
  f.failing["r"] = true;
  f.at(11);
  CHECK(f.take_runs() == Names{"r"});
  CHECK(f.ready());
  CHECK(f.events == Names{"u1/app Unhealthy Readiness probe failed: r in c1"});
  f.at(21);
  CHECK_FALSE(f.ready());
  CHECK(f.changes.size() == 2);
  // A look at a pod that is not ready runs the probe soon again.
  f.failing.clear();
  f.take_runs();
  f.at(23);
  CHECK(f.take_runs() == Names{"r"});
  CHECK(f.ready());
  const auto totals = f.manager.totals();
  REQUIRE(totals.size() == 1);
  CHECK(totals[0].successful == 2);
  CHECK(totals[0].failed == 2);
  CHECK(totals[0].type == ProbeType::readiness);
}

TEST_CASE("manager: the startup probe comes first") {
  Fixture f;
  f.container().startup_probe = Fixture::probe("s");
  f.container().readiness_probe = Fixture::probe("r");
  f.container().liveness_probe = Fixture::probe("l");
  f.failing["s"] = true;
  f.start();
  f.at(0);
  CHECK(f.take_runs() == Names{"s"});
  CHECK_FALSE(f.started());
  CHECK(f.events.empty());  // an early look
  f.failing.clear();
  f.at(1);
  CHECK(f.take_runs() == Names{"s", "r"});
  CHECK(f.started());
  CHECK(f.ready());
  f.at(10.9);
  CHECK(f.take_runs().empty());
  f.at(11);
  CHECK(f.take_runs().size() == 2);  // liveness and readiness; startup never again
  CHECK_FALSE(f.manager.startup_failure("u1", "app"));
}

TEST_CASE("manager: a failed startup or liveness probe holds until the next instance") {
  Fixture f;
  const bool startup = GENERATE(true, false);
  auto& slot = startup ? f.container().startup_probe : f.container().liveness_probe;
  slot = Fixture::probe("p", 2);
  f.failing["p"] = true;
  f.start();
  f.at(0);
  for (int i = 1; i <= 21; ++i) f.at(i);
  const auto failure = startup ? f.manager.startup_failure("u1", "app") : f.manager.liveness_failure("u1", "app");
  REQUIRE(failure);
  CHECK(*failure == "p in c1");
  CHECK(f.changes == Names{"u1"});
  f.take_runs();
  f.at(60);
  CHECK(f.take_runs().empty());
  f.failing.clear();
  f.app.running = false;
  f.at(61);
  CHECK_FALSE(f.manager.startup_failure("u1", "app"));
  CHECK_FALSE(f.manager.liveness_failure("u1", "app"));
  f.start("c2");
  f.at(62);
  f.at(72);
  CHECK(f.take_runs() == Names{"p"});
  CHECK(f.started());
}

TEST_CASE("manager: a result for an instance that is gone is dropped") {
  Fixture f;
  f.container().readiness_probe = Fixture::probe("r");
  f.hang["r"] = Milliseconds(20);
  f.start("c1");
  f.at(0);
  CHECK(f.manager.in_flight() == 1);
  f.at(30);  // it never overlaps itself
  CHECK(f.runs.size() == 1);
  f.start("c2");
  f.failing["r"] = true;
  f.at(31);
  f.hang.clear();
  f.loop.restart();
  f.loop.run_for(Milliseconds(60));  // the old attempt ends, the new instance's follows at once
  CHECK(f.runs.size() == 2);
  CHECK(f.changes.empty());
  CHECK_FALSE(f.ready());
}

TEST_CASE("manager: a hung attempt delays no other probe") {
  Fixture f;
  f.container().readiness_probe = Fixture::probe("r");
  f.container().liveness_probe = Fixture::probe("l");
  f.hang["r"] = Seconds(60);
  f.start();
  f.at(0);
  f.at(10);
  f.at(20);
  CHECK(f.runs == Names{"r", "l", "l"});
  f.manager.remove("u1");
  CHECK_FALSE(f.started());
}

TEST_CASE("manager: a run is tried three times while it cannot be made, and then says nothing") {
  Fixture f;
  f.container().liveness_probe = Fixture::probe("l", 1);
  f.broken = true;
  f.start();
  f.at(0);
  f.at(10);
  CHECK(f.runs == Names{"l", "l", "l"});
  CHECK(f.events == Names{"u1/app Unhealthy Liveness probe errored and resulted in unknown state: no runtime"});
  CHECK_FALSE(f.manager.liveness_failure("u1", "app"));
  CHECK(f.manager.totals()[0].unknown == 1);
}

TEST_CASE("manager: a terminating pod keeps only its readiness probe") {
  Fixture f;
  f.container().liveness_probe = Fixture::probe("l", 1);
  f.container().readiness_probe = Fixture::probe("r", 1);
  f.start();
  f.at(0);
  f.failing["l"] = f.failing["r"] = true;
  f.terminating = true;
  f.take_runs();
  f.at(10);
  f.at(20);
  CHECK(f.take_runs() == Names{"r", "r"});
  CHECK_FALSE(f.ready());
  CHECK_FALSE(f.manager.liveness_failure("u1", "app"));
}

TEST_CASE("manager: after a restart of the agent what was ready stays ready until a result counts") {
  Fixture f;
  f.container().startup_probe = Fixture::probe("s");
  f.container().readiness_probe = Fixture::probe("r", 1);
  f.failing["r"] = true;
  f.app.id = "c1";
  f.app.running = true;
  f.app.started_at = kNow - Seconds(600);
  f.app.was_started = true;
  f.app.was_ready = true;
  f.at(0);
  CHECK(f.started());
  CHECK(f.ready());
  CHECK(f.changes.empty());
  f.at(10);  // the jitter is less than a period
  CHECK(f.runs == Names{"r"});
  CHECK_FALSE(f.ready());
  CHECK(f.changes == Names{"u1"});
}

TEST_CASE("manager: probes wait for the pod's IP, and a bad port is an error of the probe") {
  Fixture f;
  const RawServer server([](const std::string&) { return ""; });
  auto& probe = f.container().readiness_probe.emplace();
  probe.tcp_socket.emplace();
  probe.tcp_socket->port = kube::IntOrString("web");
  f.ip.clear();
  f.start();
  f.at(0);
  f.at(20);
  CHECK(f.events.empty());
  f.ip = "127.0.0.1";
  f.at(21);
  f.at(32);
  REQUIRE_FALSE(f.events.empty());
  CHECK(f.events.back() ==
        "u1/app Unhealthy Readiness probe errored and resulted in unknown state: port \"web\" is no "
        "named port of container app");
  // The pod's new version names the port.
  f.pod = std::make_shared<kube::Pod>(*f.pod);
  f.container().ports.push_back({"web", 0, server.port(), "TCP", ""});
  f.at(34);
  f.loop.restart();
  f.loop.run_for(Milliseconds(50));
  CHECK(f.ready());
}

TEST_CASE("manager: containers and probes may come and go with the spec; sidecars count") {
  Fixture f;
  f.container().readiness_probe = Fixture::probe("r");
  f.start();
  f.at(0);
  CHECK(f.ready());
  f.pod = std::make_shared<kube::Pod>(*f.pod);
  f.container().readiness_probe.reset();
  f.container().liveness_probe = Fixture::probe("l");
  auto& side = f.pod->spec.init_containers.emplace_back();
  side.name = "side";
  side.restart_policy = "Always";
  f.pod->spec.init_containers.emplace_back().name = "setup";
  f.take_runs();
  f.at(10);
  CHECK(f.ready());
  CHECK(f.take_runs() == Names{"l"});
  CHECK_FALSE(f.manager.started("u1", "side"));
  CHECK_FALSE(f.manager.started("u1", "setup"));
  CHECK(f.manager.totals().size() == 1);
}

TEST_CASE("manager: callbacks may remove the pod") {
  Fixture f;
  ProbeManager* manager = nullptr;
  ProbeCallbacks callbacks;
  callbacks.exec = [&](std::string id, std::vector<std::string> argv, Nanoseconds) {
    return Fixture::exec(&f, id, argv[0]);
  };
  callbacks.on_change = [&](const std::string& uid) { manager->remove(uid); };
  ProbeManager own(f.loop.get_executor(), f.clock, callbacks);
  manager = &own;
  f.container().readiness_probe = Fixture::probe("r");
  f.start();
  PodProbes seen;
  seen.pod = f.pod;
  seen.containers.push_back(f.app);
  own.update(seen);
  f.settle();
  CHECK(f.runs == Names{"r"});
  CHECK(own.totals().empty());
  TaskGroup stopping(f.loop.get_executor());
  stopping.spawn("stop", own.stop());
  f.settle();
  CHECK(stopping.size() == 0);
}
