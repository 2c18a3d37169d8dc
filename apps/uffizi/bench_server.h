#ifndef UFFIZI_APPS_BENCH_SERVER_H_
#define UFFIZI_APPS_BENCH_SERVER_H_

#include <string>
#include <vector>

#include "engine/questions.h"
#include "uffizi/engine.h"

namespace uffizi::cli {

// `uffizi bench --server`: measures a server under load.
struct BenchServerOptions {
  std::string server;  // "": none is asked
  std::string api_key_file;
  std::string expect;  // records written by `annotate --format jsonl`; "": none
  int connections = 8;
  double rate = 0;  // requests per second (open loop); 0: each after the previous answer
  double seconds = 10;
  size_t requests = 0;  // 0: as many as the seconds allow
  bool json = false;
};

// Sends pictures with questions and prints the results. Returns an exit code: kSomeFailed if a
// request was not answered or, with `expect`, an answer differs.
int BenchServer(const BenchServerOptions& options, const std::vector<std::string>& pictures,
                const std::vector<Question>& questions, const GenerationOptions& generation);

}  // namespace uffizi::cli

#endif  // UFFIZI_APPS_BENCH_SERVER_H_
