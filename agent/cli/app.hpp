// The command line as a whole.
#pragma once

namespace keelson::agent {

// Parses and runs one command; returns the process' exit code.
int run_command_line(int argc, char** argv);

}  // namespace keelson::agent
