#pragma once

/// Every op: one awaitable per kernel operation.

#include "zc/op/accept.hpp"
#include "zc/op/close.hpp"
#include "zc/op/connect.hpp"
#include "zc/op/fallocate.hpp"
#include "zc/op/fsync.hpp"
#include "zc/op/mkdirat.hpp"
#include "zc/op/nop.hpp"
#include "zc/op/openat.hpp"
#include "zc/op/poll.hpp"
#include "zc/op/read.hpp"
#include "zc/op/recv.hpp"
#include "zc/op/renameat.hpp"
#include "zc/op/send.hpp"
#include "zc/op/shutdown.hpp"
#include "zc/op/splice.hpp"
#include "zc/op/statx.hpp"
#include "zc/op/tee.hpp"
#include "zc/op/timeout.hpp"
#include "zc/op/unlinkat.hpp"
#include "zc/op/write.hpp"
