#include "native.h"
#include "uffizi/error.h"

namespace uffizi::python {

// Converts uffizi::Error to the matching exception of uffizi/_errors.py.
void BindErrors(nb::module_&) {
  nb::register_exception_translator([](const std::exception_ptr& exception, void*) {
    try {
      std::rethrow_exception(exception);
    } catch (const Error& error) {
      try {
        const nb::object made = nb::module_::import_("uffizi._errors")
                                    .attr("make_error")(Name(error.code()), nb::str(error.what()));
        PyErr_SetObject(reinterpret_cast<PyObject*>(Py_TYPE(made.ptr())), made.ptr());
      } catch (nb::python_error& failure) {
        failure.restore();
      }
    }
  });
}

}  // namespace uffizi::python
