// SPDX-License-Identifier: Apache-2.0
#if THREAD_SANITIZER
@testable import IPCFrame

// The name alone would be ambiguous where Synchronization is imported as well.
typealias Mutex<Value: ~Copyable> = IPCFrame.Mutex<Value>
#endif
