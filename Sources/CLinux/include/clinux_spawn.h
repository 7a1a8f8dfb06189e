// SPDX-License-Identifier: Apache-2.0
#ifndef CLINUX_SPAWN_H
#define CLINUX_SPAWN_H

#endif
