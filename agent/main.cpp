// keelson: the command line. `run` and `cleanup` are the daemon's, all others ask the daemon over its socket.
#include "agent/cli/app.hpp"

int main(int argc, char** argv) { return keelson::agent::run_command_line(argc, argv); }
