// SPDX-License-Identifier: Apache-2.0
#pragma once

// The parent's parts: return when the line of results is printed.
void socket_round_trips(void);
void socket_large_round_trips(void);
void socket_one_way(void);
void socket_calls(void);
void socket_spawns(void);
void region_large_round_trips(void);
void region_one_way(void);

// The child's parts: return at the end of the stream.
void socket_child_echo(void);
void socket_child_check(void);
void socket_child_answer(void);
void region_child_echo(void);
void region_child_check(void);
