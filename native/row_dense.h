// The operations of the dense road: each reads a prepared row and writes its result.
#pragma once
#include "dense.h"

namespace softxent::SOFTXENT_NAMESPACE {

// out_k = f(k) for every class, rounded once.
template <class T, class F>
SX_INLINE void write_out(const Problem& p, int64_t n, T* row_scratch, const Blocks& blocks, F f) {
  T* out = writable_row(p.out, n, row_scratch);
  blocks.each([&](int64_t, int64_t from, int64_t to) {
    for (int64_t i = from; i < to; i += W) store_up_to(out + i, f(i), to - i);
  });
  finish_row(p.out, n, p.classes, out);
}

template <class T>
SX_INLINE void dense_softmax(const Problem& p, int64_t n, T* row_scratch, const DenseRow& d, const Blocks& blocks) {
  if (p.op == Op::logsumexp) return write_row(p.per_row, is_exact<T>, n, d.lse);
  if (p.op == Op::softmax) return write_out(p, n, row_scratch, blocks, [&](int64_t i) { return load(d.e + i) / (1 + d.s); });
  write_out(p, n, row_scratch, blocks, [&](int64_t i) { return load(d.hi + i) - (d.log_s - load(d.lo + i)); });
}

// ⟨y, v' − v'_max⟩ = Σ_{j≠max} e_j (v'_j − v'_max)/(1 + s), v' = J v: centred at the arg-max, whose own term is then 0,
// so that on a dominated row nothing of the size of v'_max has to cancel.
template <class R, class F> SX_INLINE R centred_mean(const DenseRow& d, R total, R centre, const Blocks& blocks, F direction) {
  Scalar sums[1];
  blocks.sum(sums, [&](int64_t from, int64_t to, Scalar* s) {
    Sum<true> sum;
    for (int64_t i = from; i < to; i += W) {
      const vd e = load(d.e + i);
      const R term = mul(real<R>(e), add(direction(i), neg(centre)));
      sum.add(pick((e == vd{}) | at_argmax(d, i), vd{}, rounded(term)));
    }
    add_lanes(s[0], sum, {});
  });
  return div(real<R>(sums[0].s, sums[0].e), total);
}

// Lane `k` of what direction gives, in all lanes.
template <class R, class F> SX_INLINE R value_at(int64_t k, F direction) {
  const R x = direction(k / W * W);
  if constexpr (sizeof(R) == sizeof(Pair)) return {all(x.hi[k % W]), all(x.lo[k % W])}; else return all(x[k % W]);
}

// J_y v = y ⊙ (v − ⟨y, v⟩)
template <class T>
SX_INLINE void dense_softmax_jvp(const Problem& p, int64_t n, T* row_scratch, const DenseRow& d, const Blocks& blocks) {
  using R = Real<is_exact<T>>;
  auto direction = [&](int64_t i) { return real<R>(load(d.v + i)); };
  const R total = add(real<R>(1.0), real<R>(d.s)), centre = value_at<R>(d.argmax, direction);
  const R mean = centred_mean(d, total, centre, blocks, direction), scale_y = div(real<R>(1.0), total);
  write_out(p, n, row_scratch, blocks, [&](int64_t i) {
    const R moved = add(add(direction(i), neg(centre)), neg(mean));
    return rounded(mul(mul(real<R>(load(d.e + i)), scale_y), moved));
  });
}

template <class T>
SX_INLINE void dense_gradient(const Problem& p, int64_t n, T* row_scratch, const DenseRow& d, const Blocks& blocks) {
  using R = Real<is_exact<T>>;
  const Factors<R> f = factors_of<R>(p, n, d);
  write_out(p, n, row_scratch, blocks, [&](int64_t i) {
    return rounded(mul(gradient_at(d, f, i), jacobian_at<R>(p, d, i))) + 0.0;
  });
}

// Σ_k ∂C/∂z_k v_k + Σ_k ∂C/∂t_k τ_k
template <bool Exact> SX_INLINE double dense_jvp(const Problem& p, int64_t n, const DenseRow& d, const Blocks& blocks) {
  using R = Real<Exact>;
  const Factors<R> f = factors_of<R>(p, n, d);
  const double ce = p.ce_factor * p.row_factor(n);
  Scalar sums[1];
  blocks.sum(sums, [&](int64_t from, int64_t to, Scalar* s) {
    Sum<true> sum;
    for (int64_t i = from; i < to; i += W) {
      if (d.v) {
        const R g = mul(gradient_at(d, f, i), jacobian_at<R>(p, d, i));
        sum.add(pick(lanes((double)i) < all((double)d.V), rounded(mul(g, real<R>(load(d.v + i)))), vd{}));
      }
      if (d.tt) {
        vd tau = load(d.tt + i) * (ce * (1 - p.smoothing));
        if (p.weight) tau = tau * load_weights(p.weight, i, d.V);
        sum.add(pick(tau == vd{}, vd{}, tau * ((d.log_s - load(d.lo + i)) - load(d.hi + i))));
      }
    }
    add_lanes(s[0], sum, {});
  });
  return sums[0].value();
}

// HVP = J ⊙ [u·y⊙(v' − ⟨y,v'⟩) + 2λ⟨y,v'⟩y] − (2/(cT)) tanh sech² ⊙ ∂C/∂a ⊙ v, v' = J⊙v, u = W + 2λ·lse.
template <class T>
SX_INLINE void dense_hvp(const Problem& p, int64_t n, T* row_scratch, const DenseRow& d, const Blocks& blocks) {
  using R = Real<is_exact<T>>;
  const Factors<R> f = factors_of<R>(p, n, d);
  auto direction = [&](int64_t i) { return mul(real<R>(load(d.v + i)), jacobian_at<R>(p, d, i)); };
  const R centre = value_at<R>(d.argmax, direction), mean = centred_mean(d, f.total, centre, blocks, direction);
  const R along = p.z_loss == 0 ? real<R>(0.0) : div(mul(f.twice_lambda, add(mean, centre)), f.total);
  write_out(p, n, row_scratch, blocks, [&](int64_t i) {
    const R moved = add(add(direction(i), neg(centre)), neg(mean));
    const R inner = mul(add(mul(f.curve, moved), along), real<R>(load(d.e + i)));
    R h = mul(inner, jacobian_at<R>(p, d, i));
    if (d.jac) h = add(h, neg(bend_at(p, d, f, i, real<R>(load(d.v + i)))));
    return rounded(h);
  });
}

// The diagonal: J² [u·y(1 − y) + 2λy²] − (2/c) tanh·J·∂C/∂a
template <class T>
SX_INLINE void dense_hessian_diag(const Problem& p, int64_t n, T* row_scratch, const DenseRow& d, const Blocks& blocks) {
  using R = Real<is_exact<T>>;
  const Factors<R> f = factors_of<R>(p, n, d);
  const R lambda = div(f.twice_lambda, f.total);
  write_out(p, n, row_scratch, blocks, [&](int64_t i) {
    const R e = real<R>(load(d.e + i)), jac = jacobian_at<R>(p, d, i);
    const R inner = div(add(mul(f.curve, other_exps<R>(d, i)), mul(lambda, e)), f.total);
    R h = mul(mul(e, inner), mul(jac, jac));
    if (d.jac) h = add(h, neg(bend_at(p, d, f, i, real<R>(1.0))));
    return rounded(h);
  });
}

// ∂C/∂t_k = −(1 − ε) w_k log y_k; a factor of 0 gives 0 even where log y_k is −∞.
template <class Out>
SX_INLINE void dense_target_grad(const Problem& p, int64_t n, Out* row_scratch, const DenseRow& d, const Blocks& blocks) {
  const double factor = p.ce_factor * p.row_factor(n) * (1 - p.smoothing);
  write_out(p, n, row_scratch, blocks, [&](int64_t i) {
    vd f = all(factor);
    if (p.weight) f = f * load_weights(p.weight, i, d.V);
    const vd minus_log = (d.log_s - load(d.lo + i)) - load(d.hi + i);
    return pick((f == vd{}) & (minus_log == minus_log), vd{}, f * minus_log);
  });
}

template <class T> SX_INLINE void dense_stats(const Problem& p, int64_t n, const T* z, DenseRow& d, const Blocks& blocks) {
  const double r = p.row_factor(n);
  Scalar sums[2];  // Σ_{k≠max} e_k (a_max − a_k), and the number of a_k > a_t
  const double at_target = p.target ? get(z + d.target) : 0;
  blocks.sum(sums, [&](int64_t from, int64_t to, Scalar* s) {
    Sum<true> gaps;
    vl above = vl{};
    for (int64_t i = from; i < to; i += W) {
      const vd e = load(d.e + i);
      gaps.add(pick(e == vd{}, vd{}, e * -load(d.hi + i)));
      if (p.target) above -= load_up_to(z + i, to - i) > all(at_target);
    }
    add_lanes(s[0], gaps, {});
    for (int k = 0; k < W; ++k) s[1].add((double)above[k]);
  });
  double logprob;
  if (p.target) {
    logprob = -((d.log_s - d.lo[d.target]) - d.hi[d.target]);
  } else {  // Σ t_k log y_k of the target as it came
    widen_any(p.soft, n, d.V, d.w);
    Scalar plain[2];
    blocks.sum(plain, [&](int64_t from, int64_t to, Scalar* s) {
      Sum<true> weights, gaps;
      for (int64_t i = from; i < to; i += W) {
        const vd t = load(d.w + i);
        weights.add(t);
        gaps.add(pick(t == vd{}, vd{}, t * -load(d.hi + i)));
      }
      add_lanes(s[0], weights, {});
      add_lanes(s[1], gaps, {});
    });
    logprob = -(plain[0].value() * d.log_s + plain[1].value());
  }
  const double entropy = d.log_s + sums[0].value() / (1 + d.s);
  const double c = d.loss();
  const double values[5] = {r == 0 && c == c ? 0 : r * c, p.z_loss == 0 ? 0 : r * (p.z_loss * d.lse) * d.lse, logprob, entropy, d.lse};
  for (int k = 0; k < 5; ++k) write_row(p.stat_floats, is_exact<T>, k * p.rows + n, d.s == d.s ? values[k] : SX_NAN);
  p.stat_ints[n] = d.s == d.s ? d.argmax : -1;
  p.stat_ints[p.rows + n] = d.s == d.s && p.target ? (int64_t)sums[1].value() : -1;
}

// An ignored row: nothing of it is read.
template <class T> SX_INLINE void dense_ignored(const Problem& p, int64_t n, char* row_scratch) {
  if (p.out.data) {
    auto zeros = [&]<class Out>(Out* scratch) {
      Out* out = writable_row(p.out, n, scratch);
      fill_row(out, p.classes, 0);
      finish_row(p.out, n, p.classes, out);
    };
    switch (p.out.dtype) {
      case Dtype::f32: zeros((float*)row_scratch); break;
      case Dtype::f64: zeros((double*)row_scratch); break;
      case Dtype::bf16: zeros((bf16*)row_scratch); break;
      case Dtype::f16: zeros((f16*)row_scratch); break;
    }
  }
  if (p.saved && p.op == Op::loss) p.saved[2 * n] = p.saved[2 * n + 1] = 0;
  if (p.op == Op::stats) {
    for (int k = 0; k < 5; ++k) write_row(p.stat_floats, is_exact<T>, k * p.rows + n, 0);
    p.stat_ints[n] = p.stat_ints[p.rows + n] = -1;
  } else if (p.per_row) {
    write_row(p.per_row, is_exact<T>, n, 0);
  }
}

template <class T, bool Exact>
static void dense_rows(const Problem& p, int64_t first, int64_t last, char* scratch, const Parallel& parallel, double* sums) {
  const int64_t V = p.classes;
  const Needs needs = needs_of(p);
  const Blocks blocks = blocks_in(scratch, V, parallel);
  double* memory = (double*)(scratch + blocks_bytes(V));
  DenseRow d = dense_row(p, needs, memory);
  char* row_scratch = (char*)(memory + dense_arrays(needs) * padded(V));
  Scalar ce, zs;
  for (int64_t n = first; n < last; ++n) {
    if (p.ignored(n)) {
      dense_ignored<T>(p, n, row_scratch);
      continue;
    }
    const T* z = contiguous_row(p.logits, n, V, (T*)row_scratch);
    d.target = p.target && needs.weights ? p.target[n] : 0;
    const bool known = d.target >= 0 && d.target < V;  // as in row_index.h
    if (!known) d.target = 0;
    prepare_shift<T, Exact>(p, z, d, blocks, !known);
    if (needs.weights) prepare_weights<T, Exact>(p, n, z, d, blocks);
    if (needs.vector) widen_any(p.vector, n, V, d.v);
    if (needs.target_tangent) widen_any(p.target_tangent, n, V, d.tt);
    switch (p.op) {
      case Op::softmax: case Op::log_softmax: case Op::logsumexp: dense_softmax(p, n, (T*)row_scratch, d, blocks); break;
      case Op::softmax_jvp: dense_softmax_jvp(p, n, (T*)row_scratch, d, blocks); break;
      case Op::loss: case Op::gradient: {
        if (p.saved && p.op == Op::loss) {
          p.saved[2 * n] = d.m;
          p.saved[2 * n + 1] = d.s;
        }
        const double r = p.row_factor(n), c = d.bad ? SX_NAN : d.loss(), l = p.z_loss == 0 ? 0 : (p.z_loss * d.lse) * d.lse;
        const double rc = r == 0 && c == c ? 0 : r * c;
        ce.add(rc);
        zs.add(r * l);
        if (p.per_row && p.op == Op::loss) write_row(p.per_row, is_exact<T>, n, r == 0 && c == c ? 0 : r * (c + l));
        if (p.out.data) dense_gradient(p, n, (T*)row_scratch, d, blocks);
        break;
      }
      case Op::jvp: {
        const double x = d.s == d.s ? dense_jvp<is_exact<T>>(p, n, d, blocks) : SX_NAN;
        ce.add(x);
        if (p.per_row) write_row(p.per_row, is_exact<T>, n, x);
        break;
      }
      case Op::hvp: dense_hvp(p, n, (T*)row_scratch, d, blocks); break;
      case Op::hessian_diag: dense_hessian_diag(p, n, (T*)row_scratch, d, blocks); break;
      case Op::target_grad:
        switch (p.out.dtype) {
          case Dtype::f32: dense_target_grad(p, n, (float*)row_scratch, d, blocks); break;
          case Dtype::f64: dense_target_grad(p, n, (double*)row_scratch, d, blocks); break;
          case Dtype::bf16: dense_target_grad(p, n, (bf16*)row_scratch, d, blocks); break;
          case Dtype::f16: dense_target_grad(p, n, (f16*)row_scratch, d, blocks); break;
        }
        break;
      case Op::stats: dense_stats(p, n, z, d, blocks); break;
    }
  }
  sums[0] += ce.value();
  sums[1] += zs.value();
}

}  // namespace softxent::SOFTXENT_NAMESPACE
