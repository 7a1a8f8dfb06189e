// SPDX-License-Identifier: Apache-2.0
import Glibc
import IPCFrame

/// The workloads with the drivers that block, at both ends; for the parent there is no supervisor.
struct BlockingBench {
    let connection: BlockingConnection
    let child: pid_t
    let settings: Settings
    let options: CallOptions

    /// Starts this program as the worker.
    init(executable: String, settings: Settings, options: CallOptions) throws {
        var sockets: [CInt] = [-1, -1]
        guard unsafe socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0, &sockets) == 0 else {
            throw BenchError("socketpair: \(errno)")
        }
        var actions = unsafe posix_spawn_file_actions_t()
        unsafe posix_spawn_file_actions_init(&actions)
        unsafe posix_spawn_file_actions_adddup2(&actions, sockets[1], 3)
        defer { unsafe posix_spawn_file_actions_destroy(&actions) }
        // Copies that posix_spawn reads; they live as long as this short process.
        let program: UnsafeMutablePointer<CChar>? = unsafe strdup(executable)
        let role: UnsafeMutablePointer<CChar>? = unsafe strdup(BenchWorker.blockingArgument)
        let variable: UnsafeMutablePointer<CChar>? = unsafe strdup("\(Worker.descriptorVariable)=3")
        let arguments = unsafe [program, role, nil]
        let environment = unsafe [variable, nil]
        var child: pid_t = 0
        let result = unsafe posix_spawn(&child, executable, &actions, nil, arguments, environment)
        _ = close(sockets[1])
        guard result == 0 else { throw BenchError("posix_spawn: \(result)") }
        self.child = child
        self.settings = settings
        self.options = options
        connection = BlockingConnection(adopting: OwnedDescriptor(adopting: sockets[0]), name: "ipc-bench")
        try connection.handshake()
    }

    func measure(_ workload: Workload) throws -> Bench.Metrics {
        switch workload {
        case .roundTrips: try roundTrips()
        case .largeRoundTrips: try largeRoundTrips()
        case .stream: try stream()
        case .objects, .spawns, .calls, .pingUnderLoad, .poolDispatch, .poolScaling, .poolFairness, .poolMany:
            throw Skip("there is no '\(workload.rawValue)' with 'mode=blocking'")
        }
    }

    /// Ends the worker; its peak memory, bytes.
    func stop() throws -> UInt64 {
        let peak = Memory.peak(of: child)
        guard connection.close() == .orderly else { throw BenchError("the connection did not end in order") }
        var status: CInt = 0
        guard unsafe waitpid(child, &status, 0) == child, status == 0 else { throw BenchError("the child failed") }
        return UInt64(peak)
    }

    private func roundTrips() throws -> Bench.Metrics {
        let count = settings.number("n", 20_000)
        var message = Input.small
        var times: [Double] = []
        times.reserveCapacity(count)
        var start = ContinuousClock.now
        for round in -settings.number("warm", 1_000)..<count {
            Input.mark(&message, round)
            let began = ContinuousClock.now
            if round == 0 { start = began }
            let answer = try connection.call("echo", body: message, options: options).body
            let took = ContinuousClock.now - began
            guard answer == message else { throw BenchError("the echo differs") }
            if round >= 0 { times.append(took.microseconds) }
        }
        return Summary.roundTrips(times, took: (ContinuousClock.now - start).microseconds, settings)
    }

    private func largeRoundTrips() throws -> Bench.Metrics {
        let message = try Input.stations(settings)
        var times: [Double] = []
        var answer: [UInt8] = []
        for round in -settings.number("warm", 1)..<settings.number("rounds", 20) {
            let began = ContinuousClock.now
            _ = try connection.call("echo", body: message, options: options, into: &answer, upTo: .max)
            let took = ContinuousClock.now - began
            guard Input.isSame(answer, message) else { throw BenchError("the echo differs") }
            if round >= 0 { times.append(took.microseconds / 1_000) }
        }
        return Summary.largeRoundTrips(times, bytes: message.count)
    }

    private func stream() throws -> Bench.Metrics {
        let (source, length, total) = try MarkedMessages.all(settings)
        var answer: [UInt8] = []
        let began = ContinuousClock.now
        _ = try connection.call(
            "check",
            arguments: [Argument("message", "\(length)")],
            size: UInt64(total),
            options: options,
            sending: source.next
        ) { answer += $0 }
        let seconds = (ContinuousClock.now - began).microseconds / 1e6
        try source.compare(answer)
        return [("gb_per_s", Double(total) / seconds / 1e9), ("seconds", seconds)]
    }
}
