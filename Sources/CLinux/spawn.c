// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "clinux_spawn.h"
