// Amounts of resources.
#include "kube/validate_parts.hpp"

namespace keelson::kube {
namespace {

bool is_huge_page(std::string_view name) { return name.substr(0, 10) == "hugepages-"; }

bool is_standard(std::string_view name) {
  return name == "cpu" || name == "memory" || name == "ephemeral-storage" || is_huge_page(name);
}

// Extended resources have a domain of their own.
void check_resource_name(const std::string& name, const FieldPath& at, FieldErrors& errors) {
  std::string why = check_qualified_name(name);
  if (!why.empty()) return errors.invalid(at, name, why);
  if (!is_standard(name) && name.find('/') == std::string::npos) {
    errors.invalid(at, name, "must be a standard resource for containers");
  }
}

void check_request(const std::string& name, const Quantity& request, const Quantity& limit, const FieldPath& at,
                   FieldErrors& errors) {
  bool whole = is_huge_page(name) || !is_standard(name);  // cannot be overcommitted
  if (whole && request != limit) {
    errors.invalid(at, request.to_string(), "must be equal to " + name + " limit of " + limit.to_string());
  } else if (request > limit) {
    errors.invalid(at, request.to_string(), "must be less than or equal to " + name + " limit of " + limit.to_string());
  }
}

}  // namespace

void check_amounts(const ResourceList& amounts, const FieldPath& at, FieldErrors& errors) {
  for (const auto& [name, amount] : amounts) {
    if (amount.sign() < 0) {
      errors.invalid(at.key(name), amount.to_string(), "must be greater than or equal to 0");
    }
  }
}

void check_resources(const ResourceRequirements& resources, const FieldPath& at, FieldErrors& errors) {
  bool huge = false;
  bool cpu_or_memory = false;
  auto walk = [&](const ResourceList& amounts, const FieldPath& here) {
    check_amounts(amounts, here, errors);
    for (const auto& [name, amount] : amounts) {
      check_resource_name(name, here.key(name), errors);
      huge = huge || is_huge_page(name);
      cpu_or_memory = cpu_or_memory || name == "cpu" || name == "memory";
      if (!is_standard(name) && amount.milli_value() % 1000 != 0) {
        errors.invalid(here.key(name), amount.to_string(), "must be an integer");
      }
    }
  };
  walk(resources.limits, at / "limits");
  walk(resources.requests, at / "requests");
  for (const auto& [name, request] : resources.requests) {
    auto limit = resources.limits.find(name);
    if (limit != resources.limits.end()) {
      check_request(name, request, limit->second, at / "requests", errors);
    } else if (is_huge_page(name) || !is_standard(name)) {
      errors.required(at / "limits", "Limit must be set for non overcommitable resources");
    }
  }
  if (huge && !cpu_or_memory) errors.forbidden(at, "HugePages require cpu or memory");
}

}  // namespace keelson::kube
