// SPDX-License-Identifier: Apache-2.0
import Foundation
import Glibc
import Synchronization

/// A moment of the monotonic clock, in nanoseconds.
struct Moment {
    var nanoseconds: Int

    static var now: Moment {
        var time = timespec()
        unsafe clock_gettime(CLOCK_MONOTONIC, &time)
        return Moment(nanoseconds: time.tv_sec * 1_000_000_000 + time.tv_nsec)
    }

    var secondsToNow: Double { Double(Moment.now.nanoseconds - nanoseconds) / 1e9 }

    /// Waits until then; the kernel may add 50 µs.
    func wait() {
        var time = timespec(tv_sec: nanoseconds / 1_000_000_000, tv_nsec: nanoseconds % 1_000_000_000)
        while unsafe clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, nil) == EINTR {}
    }
}

/// Requests at a constant rate, whatever becomes of them.
///
/// Each request has its moment, and its time counts from there, not from when a connection was free to send it: a service
/// that stands still for a second has made 300 requests late, not one.
struct OpenLoop {
    let port: UInt16
    let path: String
    let rate: Double
    /// Requests that can be under way at a time.
    var connections = 32

    private final class Progress: Sendable {
        let next = Atomic<Int>(0)
        let times = Mutex<[Double]>([])
        let failure = Mutex<(any Error)?>(nil)
    }

    func run(seconds: Double) throws -> Percentiles {
        let progress = Progress()
        let total = Int(rate * seconds)
        let interval = 1e9 / rate
        let start = Moment.now.nanoseconds + 50_000_000
        let finished = DispatchSemaphore(value: 0)
        for _ in 0..<connections {
            let connection = try HTTPConnection(port: port)
            Thread {
                var times: [Double] = []
                do {
                    while true {
                        let number = progress.next.add(1, ordering: .relaxed).oldValue
                        guard number < total else { break }
                        let intended = Moment(nanoseconds: start + Int(Double(number) * interval))
                        intended.wait()
                        _ = try connection.get(path)
                        times.append(intended.secondsToNow * 1000)
                    }
                } catch {
                    progress.failure.withLock { $0 = error }
                }
                progress.times.withLock { $0 += times }
                finished.signal()
            }.start()
        }
        for _ in 0..<connections { finished.wait() }
        if let failure = progress.failure.withLock({ $0 }) { throw failure }
        return Percentiles(of: progress.times.withLock { $0 })
    }
}

/// Clients that have one heavy call after the other done.
final class HeavyClients: Sendable {
    private let count = Atomic<Int>(0)
    private let isStopped = Atomic<Bool>(false)
    private let finished = DispatchSemaphore(value: 0)
    private let clients: Int

    init(count clients: Int, port: UInt16, path: String) {
        self.clients = clients
        for _ in 0..<clients {
            Thread { [self] in
                do {
                    let connection = try HTTPConnection(port: port)
                    while !isStopped.load(ordering: .relaxed) {
                        _ = try connection.get(path)
                        count.add(1, ordering: .relaxed)
                    }
                } catch {
                    FileHandle.standardError.write(Data("a heavy call failed: \(error)\n".utf8))
                }
                finished.signal()
            }.start()
        }
    }

    var completed: Int { count.load(ordering: .relaxed) }

    func stop() {
        isStopped.store(true, ordering: .relaxed)
        for _ in 0..<clients { finished.wait() }
    }
}
