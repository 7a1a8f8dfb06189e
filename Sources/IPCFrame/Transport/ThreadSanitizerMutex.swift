// SPDX-License-Identifier: Apache-2.0
#if THREAD_SANITIZER
internal import Glibc

/// `Synchronization.Mutex`, in a form that ThreadSanitizer can follow.
///
/// The slow path of the real one lies in a library that is not instrumented, so what a contended lock protects
/// would be reported as a race. `scripts/test` defines the condition for its ThreadSanitizer build, and nothing
/// else does; the name shadows the imported one in this module.
@safe struct Mutex<Value: ~Copyable>: ~Copyable, @unchecked Sendable {
    private let handle: UnsafeMutablePointer<pthread_mutex_t>
    private let value: UnsafeMutablePointer<Value>

    init(_ value: consuming sending Value) {
        unsafe handle = .allocate(capacity: 1)
        unsafe pthread_mutex_init(handle, nil)
        unsafe self.value = .allocate(capacity: 1)
        unsafe self.value.initialize(to: value)
    }

    deinit {
        unsafe value.deinitialize(count: 1)
        unsafe value.deallocate()
        unsafe pthread_mutex_destroy(handle)
        unsafe handle.deallocate()
    }

    borrowing func withLock<Result: ~Copyable, Failure: Error>(
        _ body: (inout sending Value) throws(Failure) -> sending Result
    ) throws(Failure) -> sending Result {
        unsafe pthread_mutex_lock(handle)
        defer { unsafe pthread_mutex_unlock(handle) }
        return try unsafe body(&value.pointee)
    }
}
#endif
