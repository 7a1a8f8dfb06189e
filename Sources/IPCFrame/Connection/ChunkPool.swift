// SPDX-License-Identifier: Apache-2.0
internal import CLinux
internal import Synchronization

/// Threads that deflate and inflate chunks, shared by all bodies of the process: one for each processor but one, which is
/// left to the reactors.
///
/// Chunks share no context, so the chunks of one body are worked at side by side; ``OrderedWindow`` puts them back in
/// order. Work is done first come, first served, and a body has no more than ``width`` chunks here: none can keep the
/// others waiting for long, and the memory that all take is bounded by the bodies that a connection allows.
final class ChunkPool: Sendable {
    /// The threads of this process: one fewer than it has processors, at most 8, with the library in force.
    static let shared = ChunkPool(width: min(Int(clinux_processor_count()) - 1, 8), codec: .current)

    /// Smaller chunks are done sooner than a thread is woken for them.
    static let smallestWorthwhile = 16 << 10

    typealias Work = @Sendable (ChunkCoders) -> Void

    /// How many chunks of one body may be worked at ahead; 0 where there are one or two processors: the two ends of a
    /// connection keep those busy as it is.
    let width: Int
    let codec: ChunkCodec

    private struct State {
        var work: [Work] = []
        var isStarted = false
    }

    private let state = Mutex(State())
    private let wakeup = Semaphore()

    /// A width below 2 is none.
    init(width: Int, codec: ChunkCodec) {
        self.width = width > 1 ? width : 0
        self.codec = codec
    }

    /// Has one of the threads do `work`, in its turn; it must not wait for anything.
    func run(_ work: @escaping Work) {
        precondition(width > 0, "a pool without threads takes no work")
        let mustStart = state.withLock { state in
            state.work.append(work)
            defer { state.isStarted = true }
            return !state.isStarted
        }
        if mustStart { for _ in 0..<width { startThread() } }
        wakeup.signal()
    }

    private func startThread() {
        let retained = unsafe Unmanaged.passRetained(self)
        // The new thread owns this reference for ever: these threads live as long as the process.
        let result = unsafe clinux_thread_start(
            "ipcframe-chunk",
            0,
            { context in
                guard let context = unsafe context else { return }
                unsafe Unmanaged<ChunkPool>.fromOpaque(context).takeRetainedValue().work()
            },
            retained.toOpaque()
        )
        precondition(result == 0, "cannot start a thread: \(SystemError(call: "pthread_create", errno: -result))")
    }

    private func work() {
        let coders = ChunkCoders(codec: codec)
        while true {
            wakeup.wait()
            let work = state.withLock { $0.work.isEmpty ? nil : $0.work.removeFirst() }
            work?(coders)
        }
    }
}

/// What one thread deflates and inflates with; each is made when it is first needed, and kept.
final class ChunkCoders {
    private(set) lazy var deflater = ChunkDeflater(codec: codec)
    private(set) lazy var inflater = ChunkInflater(codec: codec)
    private let codec: ChunkCodec

    init(codec: ChunkCodec) {
        self.codec = codec
    }
}
