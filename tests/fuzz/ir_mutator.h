#ifndef UFFIZI_TESTS_FUZZ_IR_MUTATOR_H_
#define UFFIZI_TESTS_FUZZ_IR_MUTATOR_H_

#include <random>
#include <string>
#include <string_view>

namespace uffizi::fuzz {

// A graph's XML with one to four changes that leave it XML: numbers become extreme, edges are led
// elsewhere, layers change their kind, are dropped or come twice. What is not XML stays.
std::string MutateIr(std::string_view xml, std::mt19937& random);

}  // namespace uffizi::fuzz

#endif  // UFFIZI_TESTS_FUZZ_IR_MUTATOR_H_
