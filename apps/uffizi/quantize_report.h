#ifndef UFFIZI_APPS_QUANTIZE_REPORT_H_
#define UFFIZI_APPS_QUANTIZE_REPORT_H_

#include <string>

#include "engine/quantize_within.h"
#include "quantize/quantize_folder.h"

namespace uffizi::cli {

// How a folder was quantized, for its report.
struct QuantizeTitle {
  std::string out;
  QuantizeOptions weights;
  bool calibrated = false, plain = false, gptq = false;
  std::string model, against;  // as named, and the f32 model's seconds and bytes
  double reference_seconds = 0;
  size_t reference_bytes = 0;
};

// Every matrix with its error.
void PrintQuantizeReport(const FolderReport& report, const QuantizeTitle& title);

// What answers lost, and what keeping the loss within limits cost.
void PrintWithinReport(const WithinReport& report, const QuantizeTitle& title);

// One JSON object; `within` may be null.
void PrintQuantizeJson(const FolderReport& report, const WithinReport* within);

// The model card, in Markdown.
std::string MakeCardSection(const WithinReport& report, const QuantizeTitle& title);

}  // namespace uffizi::cli

#endif  // UFFIZI_APPS_QUANTIZE_REPORT_H_
