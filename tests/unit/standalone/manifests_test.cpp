#include "agent/standalone/manifests.hpp"

#include <catch2/catch.hpp>

namespace keelson::agent::test {
namespace {

std::string config_map(const std::string& name, const std::string& value = "1") {
  return "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: " + name + "}\ndata: {key: \"" + value + "\"}\n";
}

const SourceProblem& only_problem(const ManifestSet& set) {
  REQUIRE(set.problems.size() == 1);
  return set.problems[0];
}

}  // namespace

TEST_CASE("which entries of the folder are manifests", "[manifests]") {
  for (const char* name : {"web.yaml", "web.yml", "web.json", "00-a.b.yaml"}) CHECK(is_manifest_name(name));
  for (const char* name : {".web.yaml", ".web.yaml.swp", "web.yaml~", "#web.yaml", "web.yaml.bak", "web.txt", "README",
                           "web.YAML", "", ".yaml"}) {
    INFO(name);
    CHECK_FALSE(is_manifest_name(name));
  }
}

TEST_CASE("every kind finds its place", "[manifests]") {
  const std::string tail =
      "\nspec: {selector: {matchLabels: {a: b}}, template: {metadata: {labels: {a: b}}, spec: "
      "{containers: [{name: c, image: i}]}}}\n---\n";
  const auto set = load_manifests(
      {{"all.yaml",
        "apiVersion: v1\nkind: Pod\nmetadata: {name: x}\nspec: {containers: [{name: c, image: i}]}\n---\n"
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: x}" +
            tail + "apiVersion: apps/v1\nkind: ReplicaSet\nmetadata: {name: x}" + tail +
            "apiVersion: apps/v1\nkind: StatefulSet\nmetadata: {name: x}" + tail +
            "apiVersion: apps/v1\nkind: DaemonSet\nmetadata: {name: x}" + tail +
            "apiVersion: batch/v1\nkind: Job\nmetadata: {name: x}\nspec: {template: {spec: {restartPolicy: Never, "
            "containers: "
            "[{name: c, image: i}]}}}\n---\n"
            "apiVersion: v1\nkind: Service\nmetadata: {name: x}\nspec: {ports: [{port: 80}]}\n---\n"
            "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: x}\naddressType: IPv4\nendpoints: "
            "[]\n---\n"
            "apiVersion: v1\nkind: Secret\nmetadata: {name: x}\nstringData: {a: b}\n---\n"
            "apiVersion: v1\nkind: PersistentVolume\nmetadata: {name: x}\nspec: {capacity: {storage: 1Gi}, "
            "accessModes: "
            "[ReadWriteOnce], hostPath: {path: /x}}\n---\n"
            "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: x}\nspec: {accessModes: [ReadWriteOnce], "
            "resources: "
            "{requests: {storage: 1Gi}}}\n---\n" +
            config_map("one")}});
  for (const auto& p : set.problems) UNSCOPED_INFO(p.object << ": " << p.message);
  CHECK(set.problems.empty());
  CHECK(set.warnings.empty());
  CHECK(set.pods.count("default/x") == 1);
  CHECK(set.deployments.count("default/x") == 1);
  CHECK(set.replica_sets.count("default/x") == 1);
  CHECK(set.stateful_sets.count("default/x") == 1);
  CHECK(set.daemon_sets.count("default/x") == 1);
  CHECK(set.jobs.count("default/x") == 1);
  CHECK(set.services.count("default/x") == 1);
  CHECK(set.slices.count("default/x") == 1);
  CHECK(set.config_maps.count("default/one") == 1);
  CHECK(set.secrets.count("default/x") == 1);
  CHECK(set.volumes.count("x") == 1);
  CHECK(set.claims.count("default/x") == 1);
  CHECK(set.files.size() == 12);
  CHECK(set.files.at("Pod default/x") == "all.yaml");
  CHECK(set.secrets.at("default/x")->data.at("a") == "b");     // stringData became data
  CHECK(set.deployments.at("default/x")->spec.replicas == 1);  // with defaults
  CHECK_FALSE(set.pods.at("default/x")->metadata.uid.empty());
}

TEST_CASE("of two objects of one name the first counts", "[manifests]") {
  const auto set = load_manifests({{"a.yaml", config_map("one", "first") + "---\n" + config_map("one", "second")},
                                   {"b.yaml", config_map("one", "third") + "---\n" + config_map("two")}});
  CHECK(set.config_maps.size() == 2);
  CHECK(set.config_maps.at("default/one")->data.at("key") == "first");
  REQUIRE(set.problems.size() == 2);
  CHECK(set.problems[0].file == "a.yaml");
  CHECK(set.problems[1].file == "b.yaml");
  CHECK(set.problems[1].object == "ConfigMap default/one");
  CHECK(set.problems[1].message == "metadata.name: duplicate: a.yaml has a ConfigMap default/one already");
  CHECK(load_manifests({{"a.yaml", config_map("one")},
                        {"b.yaml",
                         "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: one, "
                         "namespace: other}\n"}})
            .problems.empty());
}

TEST_CASE("a broken document does not hide the others", "[manifests]") {
  const auto set = load_manifests(
      {{"a.yaml", config_map("one") + "---\nkind: [\n---\n" + config_map("two")}, {"b.yaml", config_map("three")}});
  CHECK(set.config_maps.size() == 3);
  const auto& problem = only_problem(set);
  CHECK(problem.file == "a.yaml");
  CHECK(problem.object.empty());
  CHECK(problem.message.find("document 2") != std::string::npos);
}

TEST_CASE("a bad object tells file, object, field and reason", "[manifests]") {
  struct Row {
    const char *yaml, *object, *part;
  };
  const auto row = GENERATE(values<Row>({
      {"apiVersion: v1\nkind: Pod\nmetadata: {name: web}\nspec: {containers: [{name: c}]}\n", "Pod default/web",
       "spec.containers[0].image"},
      {"apiVersion: v1\nkind: Pod\nmetadata: {name: web}\nspec: {containers: [{name: c, image: 5}]}\n", "Pod web",
       "spec.containers[0].image"},
      {"apiVersion: v1\nkind: Pod\nmetadata: {name: Web}\nspec: {containers: [{name: c, image: i}]}\n",
       "Pod default/Web", "metadata.name"},
      {"apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: web}\n", "Ingress", "Ingress"},
      {"apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec: {selector: {matchLabels: {a: b}}, "
       "template: "
       "{metadata: {labels: {a: c}}, spec: {containers: [{name: c, image: i}]}}}\n",
       "Deployment default/web", "spec.template.metadata.labels"},
  }));
  INFO(row.yaml);
  const auto set = load_manifests({{"bad.yaml", row.yaml}});
  const auto& problem = only_problem(set);
  INFO(problem.object << " | " << problem.message);
  CHECK(problem.file == "bad.yaml");
  CHECK(problem.object.find(std::string(row.object).substr(0, 3)) == 0);
  CHECK(problem.message.find(row.part) != std::string::npos);
  CHECK_FALSE(problem.message.starts_with(problem.object));
}

TEST_CASE("fields that no such object has are errors", "[manifests]") {
  const auto set = load_manifests({{"a.yaml",
                                    "apiVersion: v1\nkind: Pod\nmetadata: {name: web}\nspec: {containers: [{name: "
                                    "c, image: i, imagePolicy: x}], colour: blue}\nstatus: {mood: good}\n"}});
  CHECK(set.pods.empty());
  const auto& problem = only_problem(set);
  CHECK(problem.file == "a.yaml");
  CHECK(problem.object == "Pod default/web");
  CHECK(problem.message == "spec.containers[0].imagePolicy: unknown field; spec.colour: unknown field");
}

TEST_CASE("fields that are known and have no effect here are warnings, and so is what a status says", "[manifests]") {
  const auto set = load_manifests(
      {{"a.yaml",
        "apiVersion: batch/v1\nkind: Job\nmetadata: {name: j}\nspec: {successPolicy: {rules: []}, template: {spec: "
        "{restartPolicy: Never, containers: [{name: c, image: i}]}}}\nstatus: {mood: good}\n"}});
  CHECK(set.problems.empty());
  CHECK(set.jobs.size() == 1);
  REQUIRE(set.warnings.size() == 2);
  CHECK(set.warnings[1].message == "status.mood: unknown field");
  CHECK(set.warnings[0].object == "Job default/j");
  CHECK(set.warnings[0].message.find("spec.successPolicy: not supported here") == 0);
}

TEST_CASE("a List stands for its items", "[manifests]") {
  const auto set = load_manifests({{"l.json", R"({"apiVersion": "v1", "kind": "List", "items": [
      {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"}},
      {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "y"}},
      {"apiVersion": "v1", "kind": "Nothing", "metadata": {"name": "z"}}]})"}});
  CHECK(set.config_maps.size() == 2);
  CHECK(only_problem(set).object.find("Nothing") == 0);
}

TEST_CASE("nothing gives nothing", "[manifests]") {
  for (const char* text : {"", "\n", "---\n", "# only a comment\n"}) {
    const auto set = load_manifests({{"a.yaml", text}});
    CHECK(set.problems.empty());
    CHECK(set.files.empty());
  }
}

}  // namespace keelson::agent::test
