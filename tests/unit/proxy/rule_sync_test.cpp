#include <unistd.h>

#include <catch2/catch.hpp>
#include <set>

#include <chrono>
#include <fstream>
#include <iostream>
#include <sstream>

#include "base/strings.hpp"
#include "proxy/rule_sync.hpp"
#include "tests/unit/proxy/builders.hpp"

namespace keelson::proxy {
using namespace test;

namespace {

std::vector<std::string> lines_of(const RestoreInput& input) {
  std::vector<std::string> lines;
  std::istringstream in((input.chains.empty() ? "" : input.chains.text()) + input.text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

std::size_t count_starting(const RestoreInput& input, const std::string& start) {
  const auto lines = lines_of(input);
  return static_cast<std::size_t>(
      std::count_if(lines.begin(), lines.end(), [&start](const std::string& l) { return l.rfind(start, 0) == 0; }));
}

std::string svc_name(int i) { return "svc" + std::to_string(i); }
std::string address(const char* net, int i) {
  return net + std::to_string(i / 250) + '.' + std::to_string(i % 250 + 1);
}

// Service number `i` with `endpoints` endpoints.
void add_service(Model& model, int i, int endpoints) {
  put(model, service("ns", svc_name(i), address("172.30.", i), {port("p80", 80)}));
  std::vector<kube::Endpoint> list;
  const std::string net = "10." + std::to_string(i / 250) + '.' + std::to_string(i % 250) + '.';
  for (int e = 0; e < endpoints; ++e) list.push_back(endpoint(net + std::to_string(e + 1)));
  put(model, slice("ns", svc_name(i), list, {slice_port("p80", 80)}));
}

RestoreInput step(RuleSync& sync, Model& model, const CompileOptions& o = options()) {
  return sync.partial(model, o, model.take_dirty());
}

// What goes ahead of the rest of a full sync, from where that has got to.
std::vector<ChainInput> parts_of(RuleSync& sync, const Model& model) {
  std::vector<ChainInput> parts;
  for (ChainInput part = sync.next_part(model, options()); !part.empty(); part = sync.next_part(model, options())) {
    parts.push_back(std::move(part));
  }
  return parts;
}

// A full sync in one piece.
RestoreInput full(RuleSync& sync, const Model& model, const CompileOptions& o = options(),
                  const SavedRules& saved = {}) {
  sync.begin_full(model);
  CHECK(sync.next_part(model, o).empty());
  return sync.finish_full(o, saved);
}

// A full sync of everything so far.
void write_all(RuleSync& sync, Model& model) {
  REQUIRE_FALSE(model.take_dirty().empty());
  full(sync, model);
}

}  // namespace

TEST_CASE("the number of rules is upstream's") {
  Model model;
  RuleSync sync;
  full(sync, model);
  CHECK(sync.counts().filter == 4);
  CHECK(sync.counts().nat == 5);
  for (int i = 0; i < 10; ++i) add_service(model, i, 10);
  full(sync, model);
  CHECK(sync.counts().nat == 325);
  CHECK(sync.counts().filter == 4);
  add_service(model, 0, 0);
  step(sync, model);
  CHECK(sync.counts().nat == 325 - 32);
  CHECK(sync.counts().filter == 5);
}

TEST_CASE("ten load balancers of ten endpoints count as upstream's") {
  Model model;
  for (int i = 0; i < 10; ++i) {
    add_service(model, i, 10);
    kube::Service s = service("ns", svc_name(i), address("172.30.", i), {port("p80", 80, "TCP", 30000 + i)});
    s.spec.type = "LoadBalancer";
    s.spec.external_ips = {address("1.2.", i)};
    s.spec.load_balancer_source_ranges = {"1.2.3.4/28"};
    s.status.load_balancer.ingress = {{address("5.6.", i), "", {}}};
    put(model, s);
  }
  CompileOptions counting = options();
  counting.counters = true;  // upstream's numbers are with the rule that counts NodePorts on 127/8
  RuleSync sync;
  full(sync, model, counting);
  CHECK(sync.counts().nat == 405);
  CHECK(sync.counts().filter == 14);
}

TEST_CASE("adding the 1001st Service writes only its own lines") {
  Model model;
  RuleSync sync;
  for (int i = 0; i < 1000; ++i) add_service(model, i, 2);
  write_all(sync, model);
  CHECK(step(sync, model).empty());
  add_service(model, 1000, 2);
  const RestoreInput input = step(sync, model);
  // *nat, COMMIT, three chains, three rules of SVC, four of SEP, one in KUBE-SERVICES.
  CHECK(lines_of(input).size() == 13);
  CHECK(count_starting(input, "-I KUBE-SERVICES ") == 1);
  for (const std::string& line : lines_of(input)) CHECK(line.find("svc999") == std::string::npos);
  CHECK(sync.service_chains() == 3003);
}

TEST_CASE("a changed endpoint writes the balancing chain, and adds and removes endpoint chains") {
  Model model;
  RuleSync sync;
  add_service(model, 1, 2);
  write_all(sync, model);
  put(model, slice("ns", "svc1", {endpoint("10.0.1.1"), endpoint("10.0.1.9")}, {slice_port("p80", 80)}));
  const RestoreInput input = step(sync, model);
  const auto sep = [](const char* target) { return endpoint_chain("ns/svc1:p80", "tcp", target).name(); };
  CHECK(count_starting(input, ":KUBE-SVC-") == 1);
  CHECK(count_starting(input, ':' + sep("10.0.1.9:80")) == 1);
  CHECK(count_starting(input, ':' + sep("10.0.1.1:80")) == 0);
  CHECK(count_starting(input, "-X " + sep("10.0.1.2:80")) == 1);
  CHECK(count_starting(input, "-D") == 0);
  CHECK(count_starting(input, "-I") == 0);
  put(model, slice("ns", "svc1", {endpoint("10.0.1.1"), endpoint("10.0.1.9")}, {slice_port("p80", 80)}));
  CHECK(step(sync, model).empty());
}

TEST_CASE("losing all endpoints moves the Service from nat to filter, and back") {
  Model model;
  RuleSync sync;
  add_service(model, 1, 1);
  write_all(sync, model);
  put(model, slice("ns", "svc1", {}, {slice_port("p80", 80)}));
  const RestoreInput gone = step(sync, model);
  CHECK(gone.text.find("-I KUBE-SERVICES -m comment --comment \"ns/svc1:p80 has no endpoints\"") <
        gone.text.find("*nat"));
  CHECK(count_starting(gone, "-D KUBE-SERVICES -m comment --comment \"ns/svc1:p80 cluster IP\"") == 1);
  CHECK(count_starting(gone, "-X KUBE-SVC-") == 1);
  CHECK(count_starting(gone, "-X KUBE-SEP-") == 1);
  model.apply_service("ns/svc1", nullptr);
  const RestoreInput removed = step(sync, model);
  CHECK(lines_of(removed).size() == 3);
  CHECK(count_starting(removed, "-D KUBE-SERVICES") == 1);
  CHECK(sync.counts().filter == 4);
  CHECK(sync.counts().nat == 5);
}

TEST_CASE("a full sync adds only jumps that are missing, and removes chains that nobody needs") {
  Model model;
  RuleSync sync;
  add_service(model, 1, 1);
  const std::string live = service_chain(ChainKind::svc, "ns/svc1:p80", "tcp").name();
  const SavedRules saved = parse_saved(
      "# a comment\n*nat\n:PREROUTING ACCEPT [0:0]\n:KUBE-SERVICES - [0:0]\n:KUBE-SVC-STALESTALESTALE - [0:0]\n"
      ":KUBE-SEP-USEDBYOTHERSXXXX - [0:0]\n:" +
      live +
      " - [0:0]\n:KUBE-ROUTER-X - [0:0]\n"
      "-A PREROUTING -m comment --comment \"kubernetes service portals\" -j KUBE-SERVICES\n"
      "-A KUBE-ROUTER-X -j KUBE-SEP-USEDBYOTHERSXXXX\nCOMMIT\n");
  const RestoreInput input = full(sync, model, options(), saved);
  CHECK(count_starting(input, "-X ") == 1);
  CHECK(count_starting(input, "-X KUBE-SVC-STALESTALESTALE") == 1);
  CHECK(count_starting(input, "-I PREROUTING") == 0);
  CHECK(count_starting(input, "-I OUTPUT") == 4);
  CHECK(count_starting(input, "-I INPUT") == 4);
  CHECK(count_starting(input, "-I FORWARD") == 4);
  CHECK(count_starting(
            input, "-I POSTROUTING -m comment --comment \"kubernetes postrouting rules\" -j KUBE-POSTROUTING") == 1);
  const std::string& text = input.text;
  CHECK(text.find("NOTE: this must be the last rule") > text.rfind("-A KUBE-SERVICES -m comment --comment \"ns/"));
}

TEST_CASE("fixed chains follow the options") {
  CompileOptions o = options();
  o.random_fully = true;
  const auto text = [](const CompileOptions& opt) {
    RuleSync sync;
    return full(sync, Model(), opt).text;
  };
  CHECK(text(o).find("-A KUBE-POSTROUTING -m mark ! --mark 0x00004000/0x00004000 -j RETURN\n"
                     "-A KUBE-POSTROUTING -j MARK --xor-mark 0x00004000\n"
                     "-A KUBE-POSTROUTING -m comment --comment \"kubernetes service traffic requiring SNAT\" "
                     "-j MASQUERADE --random-fully\n") != std::string::npos);
  CHECK(text(o).find("-A KUBE-MARK-MASQ -j MARK --or-mark 0x00004000\n") != std::string::npos);
  CHECK(text(o).find("-A KUBE-FORWARD -m conntrack --ctstate INVALID -j DROP\n") != std::string::npos);
  CHECK(text(o).find("*mangle\n:KUBE-PROXY-CANARY - [0:0]\n:KUBE-IPTABLES-HINT - [0:0]\n") != std::string::npos);
  CHECK(
      text(o).find("-A KUBE-FIREWALL -m comment --comment \"block incoming localnet connections\" -d 127.0.0.0/8 ! -s "
                   "127.0.0.0/8 -m conntrack ! --ctstate RELATED,ESTABLISHED,DNAT -j DROP\n") != std::string::npos);
  o.drop_invalid = false;
  o.masquerade_mark = 1u << 3;
  CHECK(text(o).find("INVALID") == std::string::npos);
  CHECK(text(o).find("--or-mark 0x00000008\n") != std::string::npos);
  CompileOptions six = options(Family::ipv6);
  CHECK(text(six).find("KUBE-FIREWALL") == std::string::npos);
  CHECK(compile_node_port_jumps(six).front().find("--dst-type LOCAL ! -d ::1/128 -j KUBE-NODEPORTS") !=
        std::string::npos);
  o.localhost_node_ports = false;
  CHECK(compile_node_port_jumps(o).front().find("--dst-type LOCAL ! -d 127.0.0.0/8 -j") != std::string::npos);
}

TEST_CASE("node port addresses that change are exchanged at the end of KUBE-SERVICES") {
  Model model;
  RuleSync sync;
  CompileOptions o = options();
  o.node_port_ips = {*IpAddress::parse("192.168.0.1"), *IpAddress::parse("127.0.0.1")};
  full(sync, model, o);
  CHECK(sync.counts().nat == 6);
  o.node_port_ips = {*IpAddress::parse("192.168.0.2")};
  const RestoreInput input = sync.partial(model, o, {});
  CHECK(count_starting(input, "-D KUBE-SERVICES") == 2);
  CHECK(count_starting(input, "-A KUBE-SERVICES") == 1);
  CHECK(sync.partial(model, o, {}).empty());
}

TEST_CASE("cleanup beside a kubelet leaves what the kubelet needs") {
  const std::string input = cleanup_input(without_kubelet_chains(parse_saved(
      "*mangle\n:KUBE-IPTABLES-HINT - [0:0]\n:KUBE-PROXY-CANARY - [0:0]\nCOMMIT\n"
      "*filter\n:INPUT ACCEPT [0:0]\n:KUBE-FIREWALL - [0:0]\n:KUBE-FORWARD - [0:0]\n-A INPUT -j KUBE-FIREWALL\n"
      "-A FORWARD -j KUBE-FORWARD\nCOMMIT\n")));
  CHECK(input ==
        "*mangle\n:KUBE-PROXY-CANARY - [0:0]\n-X KUBE-PROXY-CANARY\nCOMMIT\n"
        "*filter\n:KUBE-FORWARD - [0:0]\n-D FORWARD -j KUBE-FORWARD\n-X KUBE-FORWARD\nCOMMIT\n");
}

TEST_CASE("cleanup removes all of ours and nothing else") {
  const std::string input = cleanup_input(parse_saved(
      "*filter\n:INPUT ACCEPT [0:0]\n:KUBE-SERVICES - [0:0]\n:OTHER - [0:0]\n"
      "-A INPUT -m conntrack --ctstate NEW -m comment --comment \"x -j y\" -j KUBE-SERVICES\n-A INPUT -j OTHER\n"
      "-A KUBE-SERVICES -j REJECT\nCOMMIT\n*raw\n:PREROUTING ACCEPT [0:0]\nCOMMIT\n"));
  CHECK(input ==
        "*filter\n:KUBE-SERVICES - [0:0]\n-D INPUT -m conntrack --ctstate NEW -m comment --comment \"x -j y\" -j "
        "KUBE-SERVICES\n"
        "-X KUBE-SERVICES\nCOMMIT\n");
  CHECK(cleanup_input(parse_saved("*nat\n:INPUT ACCEPT [0:0]\nCOMMIT\n")).empty());
}

TEST_CASE("chains of many Services go ahead in parts, what leads to them comes last") {
  const bool follow = GENERATE(false, true);
  Model model;
  for (int i = 0; i < 10; ++i) {
    const std::string name = "s" + std::to_string(i);
    put(model, service("ns", name, "172.30.0." + std::to_string(1 + i), {port("p", 80, "TCP", 30000 + i)}));
    put(model, slice("ns", name, {endpoint("10.180.0." + std::to_string(1 + i))}, {slice_port("p", 80)}));
  }
  RuleSync whole, parted;
  const SavedRules saved = parse_saved("*nat\n:KUBE-SERVICES - [0:0]\n:KUBE-SVC-STALESTALESTALE - [0:0]\nCOMMIT\n");
  const RestoreInput one = full(whole, model, options(), saved);
  parted.begin_full(model, {9, follow ? 0u : 9u, follow});
  const std::vector<ChainInput> ahead = parts_of(parted, model);
  const RestoreInput many = parted.finish_full(options(), saved);
  // Three chains each: three Services, three, three; and the last, which may stay with the rest.
  REQUIRE(ahead.size() == (follow ? 4 : 3));
  CHECK(ahead[0].chains.find(":KUBE-MARK-MASQ - [0:0]\n") != std::string::npos);
  CHECK(ahead[1].chains.find("KUBE-MARK-MASQ") == std::string::npos);
  std::set<std::string> declared;
  std::multiset<std::string> lines;
  const auto read = [&](const std::string& text, bool last) {
    for (const std::string& line : split(text, '\n')) {
      if (line.rfind(":KUBE-S", 0) == 0 || line.rfind(":KUBE-EXT-", 0) == 0) declared.insert(line.substr(1, 20));
      // No jump leads to a chain that is not there yet.
      const auto jump = line.find("-j KUBE-S");
      if (jump != std::string::npos && line.rfind("-A KUBE-", 0) == 0 && !last) {
        CHECK(declared.contains(line.substr(jump + 3, 20)));
      }
      if (line.rfind("-A KUBE-SERVICES", 0) == 0 || line.rfind("-X", 0) == 0) CHECK(last);
      lines.insert(line);
    }
  };
  for (const ChainInput& chains : ahead) read(chains.text(), false);
  read(many.text, !follow);
  CHECK(many.after.empty() != follow);
  // KUBE-SERVICES keeps its rules until they are exchanged; KUBE-NODEPORTS was not there for the jumps.
  const std::string nat = many.text.substr(many.text.find("*nat"));
  CHECK((nat.find(":KUBE-SERVICES") == std::string::npos) == follow);
  CHECK(nat.find(":KUBE-NODEPORTS") != std::string::npos);
  if (follow) read(many.after.text(), true);
  for (const std::string& line : split(one.text, '\n')) {
    INFO(line);
    CHECK(lines.count(line) >= 1);
  }
  CHECK(parted.counts().nat == whole.counts().nat);
  CHECK(parted.partial(model, options(), {"ns/s0"}).empty());
}

TEST_CASE("what changes while a full sync is made is written by the next partial one") {
  Model model;
  for (int i = 0; i < 6; ++i) add_service(model, i, 2);
  (void)model.take_dirty();
  RuleSync sync;
  sync.begin_full(model, {3, 0, true});
  CHECK_FALSE(sync.next_part(model, options()).empty());
  for (int i = 0; i < 6; ++i) model.apply_service("ns/" + svc_name(i), nullptr);
  for (int i = 4; i < 8; ++i) add_service(model, i, 3);
  std::string text;
  for (const ChainInput& part : parts_of(sync, model)) text += part.text();
  const RestoreInput rest = sync.finish_full(options(), {});
  text += rest.text + rest.after.text();
  CHECK(text.find("ns/svc7:p80") == std::string::npos);  // came too late
  CHECK_FALSE(step(sync, model).empty());
  RuleSync fresh;
  full(fresh, model);
  CHECK(sync.counts().nat == fresh.counts().nat);
  CHECK(sync.service_chains() == fresh.service_chains());
  CHECK(sync.service_chains() == 4 * 4);
}

TEST_CASE("rules of a full sync stand in descending order of where they lead, the node ports' last") {
  Model model;
  for (int i = 0; i < 20; ++i) add_service(model, i, 1);
  RuleSync sync;
  std::vector<std::string> targets;
  for (const std::string& line : lines_of(full(sync, model))) {
    if (line.rfind("-A KUBE-SERVICES ", 0) == 0) targets.push_back(line.substr(line.rfind(" -j ") + 4));
  }
  REQUIRE(targets.size() == 21);
  CHECK(targets.back() == "KUBE-NODEPORTS");
  targets.pop_back();
  CHECK(std::is_sorted(targets.rbegin(), targets.rend()));
}

TEST_CASE("compile and diff of 5,000 Services", "[.bench]") {
  using Clock = std::chrono::steady_clock;
  const auto ms = [](Clock::time_point since) {
    return std::chrono::duration<double, std::milli>(Clock::now() - since).count();
  };
  Model model;
  for (int i = 0; i < 5000; ++i) add_service(model, i, 2);
  RuleSync sync;
  auto start = Clock::now();
  const RestoreInput input = full(sync, model);
  std::cout << "full: " << ms(start) << " ms, " << input.text.size() / 1024 << " KiB, " << sync.counts().nat
            << " nat rules\n";
  CHECK(model.take_dirty().size() == 5000);
  put(model, slice("ns", "svc77", {endpoint("10.0.1.1")}, {slice_port("p80", 80)}));
  start = Clock::now();
  const RestoreInput change = step(sync, model);
  std::cout << "one change: " << ms(start) << " ms, " << change.chains.text().size() << " bytes\n";
  CHECK(sync.counts().nat > 35000);
}

TEST_CASE("memory of 50,000 Services with 100,000 endpoints", "[.bench]") {
  const auto resident_kib = [] {
    std::ifstream statm("/proc/self/statm");
    long total = 0, resident = 0;
    statm >> total >> resident;
    return resident * (::sysconf(_SC_PAGESIZE) / 1024);
  };
  const long start = resident_kib();
  Model model;
  for (int i = 0; i < 50000; ++i) add_service(model, i, 2);
  CHECK(model.take_dirty().size() == 50000);
  const long modelled = resident_kib();
  RuleSync sync;
  std::size_t input = full(sync, model).text.size();
  std::cout << "model: " << (modelled - start) / 1024
            << " MiB, with what was written: " << (resident_kib() - start) / 1024 << " MiB, and " << (input >> 20)
            << " MiB of input while it is written\n";
  CHECK(sync.service_chains() == 150000);
}

}  // namespace keelson::proxy
