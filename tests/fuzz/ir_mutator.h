#ifndef UFFIZI_TESTS_FUZZ_IR_MUTATOR_H_
#define UFFIZI_TESTS_FUZZ_IR_MUTATOR_H_

#include <random>
#include <string>
#include <string_view>

namespace uffizi::fuzz {

// Changes a graph's XML in one to four places such that it stays XML: numbers become extreme, edges
// are redirected, layers change their type, are dropped or duplicated. Input that is not XML is not
// changed.
std::string MutateIr(std::string_view xml, std::mt19937& random);

}  // namespace uffizi::fuzz

#endif  // UFFIZI_TESTS_FUZZ_IR_MUTATOR_H_
