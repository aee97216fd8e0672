// The agent's own process_* metrics, as Prometheus' client libraries name them.
#pragma once

#include "agent/stats/metric_text.hpp"

namespace keelson::stats {

// Reads /proc/self; what cannot be read is left out.
void add_process_metrics(MetricText& out);

}  // namespace keelson::stats
