// SPDX-License-Identifier: Apache-2.0
#ifndef CLINUX_ISAL_H
#define CLINUX_ISAL_H

#endif
