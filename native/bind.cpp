// The door to Python: views in, views out, no hidden copy, the GIL released while rows are worked on.
//
// Arrays come through the buffer protocol, whatever their strides; bfloat16, which has no buffer format, comes viewed as
// uint16. Everything that memory safety hangs on is checked here again, though the front end has said it better before.
#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>

#include <cstring>
#include <string>

#include "dispatch.h"
#include "memory.h"
#include "products.h"

namespace nb = nanobind;
using namespace softxent;

namespace {

// A held buffer of a Python object.
class View {
 public:
  View(nb::handle object, const char* name, bool writable = false) {
    if (object.is_none()) return;
    const int flags = PyBUF_STRIDES | PyBUF_FORMAT | (writable ? PyBUF_WRITABLE : 0);
    if (PyObject_GetBuffer(object.ptr(), &buffer_, flags) != 0) throw nb::python_error();
    held_ = true;
    name_ = name;
  }
  ~View() { if (held_) PyBuffer_Release(&buffer_); }
  View(const View&) = delete;
  View& operator=(const View&) = delete;

  explicit operator bool() const { return held_; }
  const Py_buffer& operator*() const { return buffer_; }

  char format() const {  // 0 where it is more than one letter
    const char* f = buffer_.format ? buffer_.format : "B";
    f += std::strspn(f, "@=<^");
    return f[0] && f[1] ? 0 : f[0];
  }

  // A contiguous vector of `count` items of the format, or null.
  template <class T> T* vector(const char* formats, int64_t count) const {
    if (!held_) return nullptr;
    if (!format() || !std::strchr(formats, format()) || buffer_.itemsize != sizeof(T)) fail("has the wrong type");
    const bool fits = buffer_.len % (Py_ssize_t)sizeof(T) == 0 && buffer_.len / (Py_ssize_t)sizeof(T) == count;  // a product may overflow
    if (!fits || !PyBuffer_IsContiguous(&buffer_, 'C')) fail("has the wrong size or layout");
    // an array of no items may point anywhere
    if (count && reinterpret_cast<uintptr_t>(buffer_.buf) % alignof(T)) fail("is misaligned");
    return static_cast<T*>(buffer_.buf);
  }

  // Rows of classes; adjacent axes that one stride can walk are joined.
  Matrix matrix() const {
    Matrix m;
    if (!held_) return m;
    switch (format()) {
      case 'f': m.dtype = Dtype::f32; break;
      case 'd': m.dtype = Dtype::f64; break;
      case 'H': m.dtype = Dtype::bf16; break;
      case 'e': m.dtype = Dtype::f16; break;
      default: fail("has the wrong type");
    }
    if (buffer_.ndim < 1) fail("has no class axis");
    m.data = static_cast<char*>(buffer_.buf);
    const int lead = buffer_.ndim - 1;
    m.class_stride = buffer_.strides[lead];
    for (int a = 0; a < lead; ++a) {
      const int64_t size = buffer_.shape[a], stride = buffer_.strides[a];
      if (size == 1) continue;
      if (m.axes && m.stride[m.axes - 1] == size * stride) {
        m.shape[m.axes - 1] *= size;
        m.stride[m.axes - 1] = stride;
      } else {
        if (m.axes == kMaxAxes) fail("has too many axes");
        m.shape[m.axes] = size;
        m.stride[m.axes++] = stride;
      }
    }
    if (m.axes == 0) {
      m.axes = 1;
      m.shape[0] = 1;
    }
    return m;
  }

  // A matrix for a product.
  Plane plane() const {
    Plane m;
    if (!held_) return m;
    if (buffer_.ndim != 2) fail("is not a matrix");
    m.data = static_cast<char*>(buffer_.buf);
    m.dtype = matrix().dtype;
    m.rows = buffer_.shape[0];
    m.columns = buffer_.shape[1];
    m.down = buffer_.strides[0];
    m.right = buffer_.strides[1];
    return m;
  }

  // Must be lead + (V,) like `other`.
  void same_shape(const View& other) const {
    if (!held_) return;
    bool same = buffer_.ndim == other.buffer_.ndim;
    for (int a = 0; same && a < buffer_.ndim; ++a) same = buffer_.shape[a] == other.buffer_.shape[a];
    if (!same) fail("has another shape than the logits");
  }

  [[noreturn]] void fail(const char* what) const {
    throw nb::value_error((std::string("softxent._native: ") + name_ + " " + what).c_str());
  }

 private:
  Py_buffer buffer_{};
  const char* name_ = "";
  bool held_ = false;
};

// Sizes below are at most 73 bytes a class or 40 a row, so they fit int64; and this is years of work.
constexpr int64_t kMostElements = int64_t{1} << 56;

bool python_signal() {
  nb::gil_scoped_acquire gil;
  return PyErr_CheckSignals() != 0;  // the exception stays set and is thrown below
}

const Kernels* named_kernels = nullptr;

nb::tuple run(int op, nb::handle logits_, nb::handle target_, nb::handle soft_, nb::handle weight_, int64_t ignore_index,
              double smoothing, double temperature, double softcap, double z_loss, nb::handle row_weight_, nb::handle upstream_,
              nb::handle vector_, nb::handle target_tangent_, nb::handle saved_, nb::handle out_, nb::handle per_row_,
              nb::handle floats_, nb::handle ints_, double ce_factor, double z_factor) {
  Problem p;
  if (op < 0 || op > (int)Op::stats) throw nb::value_error("softxent._native: unknown operation");
  p.op = (Op)op;
  const View logits(logits_, "logits"), target(target_, "target"), soft(soft_, "soft"), weight(weight_, "weight"),
      row_weight(row_weight_, "row_weight"), upstream(upstream_, "upstream"), vector(vector_, "vector"),
      target_tangent(target_tangent_, "target_tangent"), saved(saved_, "saved", p.op == Op::loss), out(out_, "out", true),
      per_row(per_row_, "per_row", true), floats(floats_, "floats", true), ints(ints_, "ints", true);
  if (!logits) throw nb::value_error("softxent._native: logits are missing");
  p.logits = logits.matrix();
  p.classes = (*logits).shape[(*logits).ndim - 1];
  p.rows = 1;
  for (int a = 0; a + 1 < (*logits).ndim; ++a)
    if (__builtin_mul_overflow(p.rows, (int64_t)(*logits).shape[a], &p.rows)) logits.fail("has too many rows");
  if (p.classes < 1) logits.fail("has no classes");
  if (p.rows > kMostElements / p.classes) logits.fail("has too many elements");
  const bool exact = p.logits.dtype == Dtype::f64;
  const char* real = exact ? "d" : "f";
  const bool takes_target = p.op >= Op::loss;
  if (takes_target && !(target || (soft && !target)) && p.op != Op::target_grad) logits.fail("come without a target");

  for (const View* v : {&soft, &vector, &target_tangent, &out}) v->same_shape(logits);
  p.target = target.vector<int64_t>("lq", p.rows);
  p.soft = soft.matrix();
  p.weight = weight.vector<double>("d", p.classes);
  p.row_weight = row_weight.vector<double>("d", p.rows);
  p.upstream = upstream.vector<double>("d", p.rows);
  p.saved = saved.vector<double>("d", 2 * p.rows);
  p.vector = vector.matrix();
  p.target_tangent = target_tangent.matrix();
  p.out = out.matrix();
  if (p.out.data && p.op != Op::target_grad && p.out.dtype != p.logits.dtype) out.fail("has another type than the logits");
  if (exact) {
    p.per_row = per_row.vector<double>(real, p.rows);
    p.stat_floats = floats.vector<double>(real, 5 * p.rows);
  } else {
    p.per_row = per_row.vector<float>(real, p.rows);
    p.stat_floats = floats.vector<float>(real, 5 * p.rows);
  }
  p.stat_ints = ints.vector<int64_t>("lq", 2 * p.rows);
  p.ignore_index = ignore_index;
  p.smoothing = smoothing;
  p.temperature = temperature;
  p.softcap = softcap;
  p.z_loss = z_loss;
  p.ce_factor = ce_factor;
  p.z_factor = z_factor;

  const bool writes_rows = p.op == Op::softmax || p.op == Op::log_softmax || p.op == Op::softmax_jvp || p.op == Op::gradient ||
                           p.op == Op::hvp || p.op == Op::hessian_diag || p.op == Op::target_grad;
  if (writes_rows && !p.out.data) throw nb::value_error("softxent._native: out is missing");
  if ((p.op == Op::softmax_jvp || p.op == Op::hvp) && !p.vector.data) throw nb::value_error("softxent._native: vector is missing");
  if (p.op == Op::gradient && !p.saved) throw nb::value_error("softxent._native: saved is missing");
  if (p.op == Op::logsumexp && !p.per_row) throw nb::value_error("softxent._native: per_row is missing");
  if (p.op == Op::stats && (!p.stat_floats || !p.stat_ints)) throw nb::value_error("softxent._native: floats or ints are missing");

  Sums sums;
  Outcome outcome;
  {
    nb::gil_scoped_release nogil;
    outcome = run_problem(p, named_kernels, python_signal, &sums);
  }
  if (outcome == Outcome::interrupted) throw nb::python_error();
  if (outcome == Outcome::out_of_memory) throw std::bad_alloc();
  return nb::make_tuple(sums.ce, sums.z);
}

nb::tuple tally(nb::handle target_, int64_t classes, int64_t ignore_index, nb::handle weight_, nb::handle row_weight_) {
  const View target(target_, "target"), weight(weight_, "weight"), row_weight(row_weight_, "row_weight");
  if (!target) throw nb::value_error("softxent._native: target is missing");
  if (classes < 1) throw nb::value_error("softxent._native: there are no classes");
  const int64_t rows = (*target).len / (int64_t)sizeof(int64_t);
  const int64_t* t = target.vector<int64_t>("lq", rows);
  const double *w = weight.vector<double>("d", classes), *r = row_weight.vector<double>("d", rows);
  Tally result;
  {
    nb::gil_scoped_release nogil;
    result = tally_targets(t, rows, classes, ignore_index, w, r);
  }
  return nb::make_tuple(result.bad_row, result.count, result.weight);
}

// The mean loss of contiguous rows and class indices without options, and `factor` times its gradient where `grad` is not 0:
// (first row with a bad class index or -1, rows that count, the sum of their losses). Addresses spare a call on ten numbers
// the 7 us that arrays, views and keywords cost; the caller answers for them.
nb::tuple plain_loss(uintptr_t logits, int dtype, uintptr_t target, uintptr_t grad, int64_t rows, int64_t classes,
                     int64_t ignore_index, double factor) {
  if (dtype < 0 || dtype > (int)Dtype::f16 || rows < 0 || classes < 1 || rows > kMostElements / classes)
    throw nb::value_error("softxent._native: a size or type outside its range");
  const int64_t sizes[] = {4, 8, 2, 2};
  Problem p;
  p.target = reinterpret_cast<const int64_t*>(target);
  p.rows = rows;
  p.classes = classes;
  p.ignore_index = ignore_index;
  p.logits.data = reinterpret_cast<char*>(logits);
  p.logits.dtype = (Dtype)dtype;
  p.logits.axes = 1;
  p.logits.shape[0] = rows;
  p.logits.stride[0] = classes * sizes[dtype];
  p.logits.class_stride = sizes[dtype];
  Tally tally;
  Sums sums;
  Outcome outcome = Outcome::done;
  {
    nb::gil_scoped_release nogil;
    tally = tally_targets(p.target, rows, classes, ignore_index, nullptr, nullptr);
    if (tally.bad_row < 0) {
      if (grad) {
        p.out = p.logits;
        p.out.data = reinterpret_cast<char*>(grad);
        p.ce_factor = p.z_factor = tally.count ? factor / tally.weight : 1;
      }
      outcome = run_problem(p, named_kernels, python_signal, &sums);
    }
  }
  if (outcome == Outcome::interrupted) throw nb::python_error();
  if (outcome == Outcome::out_of_memory) throw std::bad_alloc();
  return nb::make_tuple(tally.bad_row, tally.count, sums.ce);
}

// Sums over terms (X, W) or (G, W) or (G, X): each argument of `product` is None or a matrix, the second term's end in 2.
void product(int kind, nb::handle x_, nb::handle w_, nb::handle g_, nb::handle x2_, nb::handle w2_, nb::handle g2_, nb::handle bias_,
             nb::handle out_, nb::handle column_sums_, bool add, int threads) {
  Product p;
  if (kind < 0 || kind > (int)ProductKind::weight) throw nb::value_error("softxent._native: unknown kind of product");
  if (threads < 1 || threads > kMostThreads) throw nb::value_error("softxent._native: number of threads outside [1, 1024]");
  p.kind = (ProductKind)kind;
  p.add = add;
  const View x(x_, "x"), w(w_, "w"), g(g_, "g"), x2(x2_, "x2"), w2(w2_, "w2"), g2(g2_, "g2"), bias(bias_, "bias"),
      out(out_, "out", true), sums(column_sums_, "column_sums", true);
  const View* const left[] = {p.kind == ProductKind::logits ? &x : &g, p.kind == ProductKind::logits ? &x2 : &g2};
  const View* const right[] = {p.kind == ProductKind::weight ? &x : &w, p.kind == ProductKind::weight ? &x2 : &w2};
  const bool sums_alone = p.kind == ProductKind::weight && !out && sums && g;
  if (!out && !sums_alone) throw nb::value_error("softxent._native: out is missing");
  p.out = out.plane();
  const Plane like = sums_alone ? g.plane() : p.out;
  p.sum = like.dtype;
  const int64_t size = p.sum == Dtype::f64 ? 8 : 4;
  const auto side_by_side = [&](const View& v, const Plane& m) {
    const bool empty = m.rows == 0 || m.columns == 0;  // may point anywhere
    const bool aligned = empty || (reinterpret_cast<uintptr_t>(m.data) % size == 0 && m.down % size == 0);
    if (m.dtype != p.sum || !aligned || (m.right != size && m.columns > 1 && !empty)) v.fail("has the wrong type or layout");
  };
  if (p.sum != Dtype::f32 && p.sum != Dtype::f64) out.fail("has the wrong type");
  side_by_side(sums_alone ? g : out, like);
  // the sizes, by the kind: out is N × V, N × D or V × D
  p.rows = p.kind == ProductKind::weight ? -1 : p.out.rows;
  p.classes = p.kind == ProductKind::logits ? p.out.columns : p.kind == ProductKind::weight && out ? p.out.rows : -1;
  p.features = p.kind == ProductKind::logits ? -1 : p.out.columns;
  const auto fits = [](const View& v, const Plane& m, int64_t& rows, int64_t& columns) {
    if (rows < 0) rows = m.rows;
    if (columns < 0) columns = m.columns;
    if (m.rows != rows || m.columns != columns) v.fail("has the wrong shape");
  };
  if (sums_alone) {
    p.g[0] = like;
    p.terms = 1;
    p.features = 0;
    fits(g, like, p.rows, p.classes);
  }
  for (int i = 0; i < 2 && !sums_alone; ++i) {
    const View &a = *left[i], &b = *right[i];
    if ((bool)a != (bool)b) throw nb::value_error("softxent._native: half a term is missing");
    if (!a) continue;
    const Plane l = a.plane(), r = b.plane();
    if (p.kind != ProductKind::logits) side_by_side(a, l);
    switch (p.kind) {
      case ProductKind::logits: fits(a, l, p.rows, p.features), fits(b, r, p.classes, p.features), p.x[p.terms] = l, p.w[p.terms] = r; break;
      case ProductKind::input: fits(a, l, p.rows, p.classes), fits(b, r, p.classes, p.features), p.g[p.terms] = l, p.w[p.terms] = r; break;
      default: fits(a, l, p.rows, p.classes), fits(b, r, p.rows, p.features), p.g[p.terms] = l, p.x[p.terms] = r; break;
    }
    ++p.terms;
  }
  if (p.rows < 0) p.rows = 0;  // no term: only what there is to write matters
  if (p.classes < 0) p.classes = 0;
  if (p.features < 0) p.features = 0;
  if (bias) {
    p.bias = bias.plane();
    int64_t one = 1;
    fits(bias, p.bias, one, p.classes);
  }
  if (sums) p.column_sums = sums.vector<double>("d", p.classes);
  ProductOutcome outcome;
  {
    nb::gil_scoped_release nogil;
    outcome = run_product(p, threads, python_signal);
  }
  if (outcome == ProductOutcome::interrupted) throw nb::python_error();
  if (outcome == ProductOutcome::out_of_memory) throw std::bad_alloc();
}

nb::tuple bytes_of_products(bool exact, int64_t classes, int64_t features, int terms, int threads) {
  const ProductBytes bytes = product_bytes(exact ? Dtype::f64 : Dtype::f32, classes, features, terms, threads);
  return nb::make_tuple(bytes.row, bytes.fixed);
}

// Memory of an output array: Python's reference keeps it, its end gives the block back to the pool.
struct Storage {
  Block block;
  Py_ssize_t bytes;
  explicit Storage(Py_ssize_t n) : block(n > 0 ? (size_t)n : 0), bytes(n) {
    if (n < 0) throw nb::value_error("softxent._native: Storage of a negative size");
    if (n > 0 && !block.data) throw std::bad_alloc();
  }
};

int storage_buffer(PyObject* self, Py_buffer* view, int flags) {
  if (!nb::inst_ready(self)) {  // made by __new__ alone
    view->obj = nullptr;
    PyErr_SetString(PyExc_BufferError, "softxent._native: Storage was not initialised");
    return -1;
  }
  Storage* s = nb::inst_ptr<Storage>(self);
  return PyBuffer_FillInfo(view, self, s->block.data, s->bytes, 0, flags);
}

nb::dict info() {
  nb::dict d;
  nb::list compiled, supported;
  int count = 0;
  const Choice* all = choices(&count);
  for (int i = 0; i < count; ++i) {
    compiled.append(all[i].kernels->name);
    if (all[i].supported) supported.append(all[i].kernels->name);
  }
  d["isa_compiled"] = compiled;
  d["isa_supported"] = supported;
  d["isa"] = named_kernels->name;
  d["threads"] = get_num_threads();
  d["cpu_limit"] = cpu_limit();
  const PoolState state = pool_state();
  nb::dict pool;
  pool["limit_bytes"] = state.limit;
  pool["held_bytes"] = state.held;
  pool["enabled"] = state.limit > 0;
  pool["huge_pages"] = state.huge_pages;
  d["pool"] = pool;
#if defined(__clang__)
  d["compiler"] = "clang " __clang_version__;
#else
  d["compiler"] = "gcc " __VERSION__;
#endif
  return d;
}

PyType_Slot storage_slots[] = {{Py_bf_getbuffer, reinterpret_cast<void*>(storage_buffer)}, {0, nullptr}};

}  // namespace

NB_MODULE(_native, m) {
  m.doc() = "Softmax cross-entropy row kernels; softxent.kernels.cpu is the way in.";
  named_kernels = chosen_kernels();
  if (!named_kernels)
    throw nb::import_error("softxent: SOFTXENT_ISA names an instruction set that is not compiled in or not supported by this processor");

  const nb::object none = nb::none();
  m.def("run", &run, nb::arg("op"), nb::arg("logits").none(), nb::kw_only(), nb::arg("target").none() = none, nb::arg("soft").none() = none,
        nb::arg("weight").none() = none, nb::arg("ignore_index") = -100, nb::arg("smoothing") = 0.0, nb::arg("temperature") = 1.0,
        nb::arg("softcap") = 0.0, nb::arg("z_loss") = 0.0, nb::arg("row_weight").none() = none, nb::arg("upstream").none() = none,
        nb::arg("vector").none() = none, nb::arg("target_tangent").none() = none, nb::arg("saved").none() = none, nb::arg("out").none() = none,
        nb::arg("per_row").none() = none, nb::arg("floats").none() = none, nb::arg("ints").none() = none, nb::arg("ce_factor") = 1.0,
        nb::arg("z_factor") = 1.0, "Runs one operation over all rows; returns the sums of losses and of z-losses.");
  m.def("tally", &tally, nb::arg("target"), nb::arg("classes"), nb::arg("ignore_index"), nb::arg("weight").none(),
        nb::arg("row_weight").none(), "(first row with a bad class index or -1, rows that count, their weight)");
  m.def("plain_loss", &plain_loss, nb::arg("logits"), nb::arg("dtype"), nb::arg("target"), nb::arg("grad"), nb::arg("rows"),
        nb::arg("classes"), nb::arg("ignore_index"), nb::arg("factor"),
        "(first bad row or -1, rows that count, the sum of their losses) of contiguous memory at these addresses.");
  m.def("product", &product, nb::arg("kind"), nb::kw_only(), nb::arg("x").none() = none, nb::arg("w").none() = none,
        nb::arg("g").none() = none, nb::arg("x2").none() = none, nb::arg("w2").none() = none, nb::arg("g2").none() = none,
        nb::arg("bias").none() = none, nb::arg("out").none() = none, nb::arg("column_sums").none() = none, nb::arg("add") = false,
        nb::arg("threads"), "One product of a linear layer (products.h), a sum over up to two terms.");
  m.def("product_bytes", &bytes_of_products, nb::arg("exact"), nb::arg("classes"), nb::arg("features"), nb::arg("terms"),
        nb::arg("threads"), "(for each row, once): the most memory that products allocate.");
  nb::class_<Storage>(m, "Storage", nb::type_slots(storage_slots), "Pooled memory, through the buffer protocol.")
      .def(nb::init<Py_ssize_t>());
  m.def("release_memory", &release_memory, "Gives pooled memory back to the system; how many bytes.");
  m.def("set_num_threads", [](int n) {
    if (n < 1 || n > kMostThreads) throw nb::value_error("softxent._native: number of threads outside [1, 1024]");
    set_num_threads(n);
  });
  m.def("get_num_threads", &get_num_threads);
  m.def("info", &info, "What was compiled, what runs, and with how many threads.");
  const char* names[] = {"softmax", "log_softmax", "logsumexp", "softmax_jvp", "loss", "gradient", "jvp", "hvp", "hessian_diag",
                         "target_grad", "stats"};
  nb::dict ops;
  for (int i = 0; i <= (int)Op::stats; ++i) ops[names[i]] = i;
  m.attr("OPS") = ops;
}
