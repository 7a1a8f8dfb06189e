// SPDX-License-Identifier: Apache-2.0
internal import Glibc

/// A counting semaphore of the C library, which a thread can sleep on.
@safe final class Semaphore: @unchecked Sendable {
    // Safe: sem_t is made to be used from several threads, and its memory lives as long as this object.
    private let pointer: UnsafeMutablePointer<sem_t>

    init() {
        unsafe pointer = UnsafeMutablePointer<sem_t>.allocate(capacity: 1)
        let result = unsafe sem_init(pointer, 0, 0)
        precondition(result == 0, "sem_init cannot fail with these arguments")
    }

    deinit {
        _ = unsafe sem_destroy(pointer)
        unsafe pointer.deallocate()
    }

    func signal() {
        _ = unsafe sem_post(pointer)
    }

    func wait() {
        while unsafe sem_wait(pointer) != 0 {}
    }
}
