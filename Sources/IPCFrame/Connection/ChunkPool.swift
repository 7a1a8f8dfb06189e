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
    static let shared = ChunkPool(width: min(Int(clinux_processor_count()) - 1, 8))

    /// Smaller chunks are done sooner than a thread is woken for them.
    static let smallestWorthwhile = 16 << 10

    typealias Work = @Sendable (ChunkCoders) -> Void

    /// How many chunks of one body may be worked at ahead; 0 where there are one or two processors: the two ends of a
    /// connection keep those busy as it is.
    let width: Int
    /// Nil: the library in force, which is loaded when the first bytes need it.
    let codec: ChunkCodec?

    private struct State {
        var work = Queue<Work>()
        var isStarted = false
    }

    private let state = Mutex(State())
    private let wakeup = Semaphore()

    /// A width below 2 is none.
    init(width: Int, codec: ChunkCodec? = nil) {
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
        // They live as long as the process.
        if mustStart { for _ in 0..<width { NamedThread.start("ipcframe-chunk") { self.work() } } }
        wakeup.signal()
    }

    private func work() {
        let coders = ChunkCoders(codec: codec)
        while true {
            wakeup.wait()
            let work = state.withLock { $0.work.popFirst() }
            work?(coders)
        }
    }
}

/// What one thread deflates and inflates with; each is made when it is first needed, and kept.
final class ChunkCoders {
    private(set) lazy var deflater = ChunkDeflater(codec: codec)
    private(set) lazy var inflater = ChunkInflater(codec: codec)
    private let codec: ChunkCodec?

    init(codec: ChunkCodec?) {
        self.codec = codec
    }
}
