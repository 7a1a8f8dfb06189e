// SPDX-License-Identifier: Apache-2.0
#ifndef CLINUX_REACTOR_H
#define CLINUX_REACTOR_H

#endif
