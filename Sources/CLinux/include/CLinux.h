// SPDX-License-Identifier: Apache-2.0
// What Swift's Glibc module lacks, one header a subject. Bodies are in the .c files.
#ifndef CLINUX_H
#define CLINUX_H
#include "clinux_arena.h"
#include "clinux_file.h"
#include "clinux_reactor.h"
#include "clinux_socket.h"
#include "clinux_spawn.h"
#include "clinux_isal.h"
#include "clinux_keeper.h"
#include "clinux_kin.h"
#endif
