#include "native.h"

NB_MODULE(_native, module) {
  using namespace uffizi::python;
  BindErrors(module);
  BindAnswers(module);
  BindPictures(module);
  BindModels(module);
  BindEngine(module);
}
