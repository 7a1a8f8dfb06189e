// SPDX-License-Identifier: Apache-2.0

/// What `--version` prints.
enum Version {
    static let number = "0.1.0"
    static let placeholder = "ipc-parent " + number
}
