// SPDX-License-Identifier: Apache-2.0
#ifndef CLINUX_SOCKET_H
#define CLINUX_SOCKET_H

#endif
