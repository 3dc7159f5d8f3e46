#pragma once

/// All of zc: moves bytes between any two Linux file descriptors, from C++20 coroutines.

#include "zc/batch.hpp"
#include "zc/capabilities.hpp"
#include "zc/context.hpp"
#include "zc/counters.hpp"
#include "zc/fd.hpp"
#include "zc/op.hpp"
#include "zc/relay.hpp"
#include "zc/result.hpp"
#include "zc/scope.hpp"
#include "zc/sleep.hpp"
#include "zc/splice.hpp"
#include "zc/splice_batch.hpp"
#include "zc/splice_paths.hpp"
#include "zc/task.hpp"
#include "zc/tee.hpp"
#include "zc/timeout.hpp"
#include "zc/transfer.hpp"
#include "zc/when_all.hpp"
#include "zc/when_any.hpp"
#include "zc/with_stop.hpp"
