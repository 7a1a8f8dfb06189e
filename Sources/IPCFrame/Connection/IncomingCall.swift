// SPDX-License-Identifier: Apache-2.0
internal import Synchronization

/// A call that the other side has opened, in the hands of its handler.
///
/// A handler reads ``body`` if it needs it, answers through ``respond(size:arguments:codec:)`` or
/// ``respond(_:arguments:)``, and returns; or it throws, best a ``CallFailure``, and the opener is told why. A handler
/// that answers nothing answers an empty body.
public final class IncomingCall: Sendable {
    private struct State {
        var writer: BodyWriter?
        var trailer = Trailer()
        var isCancelled = false
    }

    /// What is wanted.
    public let method: String
    /// Named values, in the opener's order.
    public let arguments: [Argument]
    /// What remained of the call's time when it came.
    public let timeout: Duration?
    /// The request body.
    ///
    /// Untouched, a larger one does not move at all.
    public let body: InboundBody
    /// How the opener codes its body; the response follows it unless told otherwise.
    public let codec: BodyCodec

    let id: UInt64
    let connection: Connection
    private let digest: BodyDigest
    private let limits: ConnectionLimits
    private let sharesMemory: Bool
    private let passesFiles: Bool
    private let statisticsBox: StatisticsBox
    private let state = Mutex(State())

    init(
        id: UInt64,
        request: Request,
        connection: Connection,
        limits: ConnectionLimits,
        sharesMemory: Bool,
        passesFiles: Bool,
        statistics: StatisticsBox,
        inbound: InboundQueue
    ) {
        self.id = id
        self.connection = connection
        method = request.method
        arguments = request.arguments
        timeout = request.deadline.map { .milliseconds(Int64(clamping: $0)) }
        codec = request.offer.codec
        digest = request.offer.digest
        statisticsBox = statistics
        self.limits = limits
        body = InboundBody(
            connection: connection,
            id: id,
            queue: inbound,
            offer: request.offer,
            whole: request.whole,
            limits: limits
        )
        self.sharesMemory = sharesMemory
        self.passesFiles = passesFiles
    }

    /// The last argument with this key, as text; nil if there is none or it is not UTF-8.
    public subscript(key: String) -> String? {
        guard let value = arguments.last(where: { $0.key == key })?.value else { return nil }
        return String(validating: value, as: UTF8.self)
    }

    /// What the call has moved so far.
    public var statistics: CallStatistics { statisticsBox.current }

    /// What the opener is told at the end: counts, an exit code, further values.
    ///
    /// Set it before the handler returns.
    public var trailer: Trailer {
        get { state.withLock { $0.trailer } }
        set { state.withLock { $0.trailer = newValue } }
    }

    /// Begins the answer.
    ///
    /// `size` is in raw bytes, where known; `arguments` are the status arguments, at most 64 KiB; without a `codec` the
    /// answer is coded as the request body.
    public func respond(size: UInt64? = nil, arguments: [Argument] = [], codec: BodyCodec? = nil) -> BodyWriter {
        let codec = codec ?? self.codec
        // Whether it comes so is for the opener to say.
        let delivery: BodyDelivery = sharesMemory && codec == .none ? .arena : .inline
        return respond(Offer(size: size, codec: codec, delivery: delivery, digest: digest), arguments)
    }

    private func respond(_ offer: Offer, _ arguments: [Argument]) -> BodyWriter {
        state.withLock { state in
            precondition(state.writer == nil, "a call is answered once")
            let writer = BodyWriter(
                connection: connection,
                id: id,
                limits: limits,
                offer: offer,
                arguments: arguments
            )
            state.writer = writer
            return writer
        }
    }

    /// Answers with bytes that are there.
    public func respond(_ bytes: [UInt8], arguments: [Argument] = []) async throws(CallError) {
        try await respond(size: UInt64(bytes.count), arguments: arguments).write(all: bytes)
    }

    /// Answers with a body from wherever it comes.
    ///
    /// `passesFile`: if it is a file, its opener may take the file itself, where no codec was asked for; it can read all
    /// of the file then, not only the body. An opener takes it so with ``CallOptions/Delivery/descriptor``.
    ///
    /// - Throws: ``CallError/source(_:)`` when the body fails or lies about its size. The call fails then, also if the
    ///   handler returns: what was sent is never taken for the whole.
    public func respond(
        _ body: OutboundBody,
        arguments: [Argument] = [],
        passesFile: Bool = false
    ) async throws(CallError) {
        guard passesFile, passesFiles, codec == .none, body.part != nil else {
            return try await respond(size: body.size, arguments: arguments).write(body)
        }
        // Of a file that goes nobody has read the bytes, so there is no digest.
        let offer = Offer(size: body.size, codec: .none, delivery: .descriptor, digest: .none)
        try await respond(offer, arguments).write(body)
    }

    /// Tells the opener how far the call is.
    ///
    /// Never waits: of those that cannot be sent yet the newest stays.
    public func progress(_ progress: Progress) {
        let connection = connection
        let id = id
        connection.order { $0.sendProgress(id, progress) }
    }

    /// Tells the opener that the call's effects are about to become lasting, and waits until it knows.
    ///
    /// From then on the opener does not retry the call. Make the effects lasting right afterwards.
    public func announceFinal(_ progress: Progress) async throws(CallError) {
        var progress = progress
        progress.isFinal = true
        await connection.sendProgress(id, progress)
        // A PING that goes out after it comes back when the other end has seen both.
        do throws(ConnectionEnd) {
            _ = try await connection.ping()
        } catch {
            throw .connection(error)
        }
        if isCancelled { throw .cancelled }
    }

    /// A line for the opener's log.
    ///
    /// Never waits: at most 64 queue up, then lines are dropped and counted.
    public func log(_ level: LogLevel, _ text: String) {
        let connection = connection
        let id = id
        connection.order { $0.sendLog(id, LogLine(level: level, text: text)) }
    }

    /// Calls `handler` on the connection's thread as soon as the opener cancels, also while this call blocks in C.
    ///
    /// The handler must not block: interrupt the work and return. It runs at once if the call is cancelled already.
    public func onCancel(_ handler: @escaping @Sendable () -> Void) {
        let connection = connection
        let id = id
        connection.order { $0.addCancelHandler(id, handler) }
    }

    /// Whether the opener has given up the call.
    public var isCancelled: Bool { state.withLock { $0.isCancelled } }

    /// Opens a call to the other side.
    public var peer: Connection { connection }

    /// Refuses the call before anything was done for it; throw the result's error path by returning afterwards.
    public func refuse(_ code: ErrorCode, limit: UInt64 = 0, reason: String) async {
        await connection.refuseCall(id, Refuse(code: code, limit: limit, reason: reason))
    }

    func noteCancelled() {
        state.withLock { $0.isCancelled = true }
    }

    /// Runs the handler and sends whatever it leaves to be sent.
    func run(_ handler: @Sendable @concurrent (IncomingCall) async throws -> Void) async {
        do {
            try await handler(self)
            var trailer = trailer
            ProcessUsage.current.fill(&trailer)
            let writer = state.withLock { $0.writer } ?? respond(size: 0)
            try await writer.finish(trailer)
        } catch let failure as CallFailure {
            connection.failCall(id, failure.error)
        } catch let error as CallError {
            connection.failCall(id, Self.remoteError(error, isCancelled: isCancelled))
        } catch {
            let isCancelled = isCancelled
            let reason = isCancelled ? "cancelled" : "the handler of '\(method)' failed: \(error)"
            let code: ErrorCode = isCancelled ? .cancelled : .internal
            connection.failCall(id, RemoteError(code: code, exitCode: isCancelled ? 0 : 70, reason: reason))
        }
    }

    static func remoteError(_ error: CallError, isCancelled: Bool) -> RemoteError {
        if isCancelled { return RemoteError(code: .cancelled, reason: "cancelled") }
        switch error {
        case .failed(let remote): return remote
        case .corruptBody: return RemoteError(code: .corruptChunk, exitCode: 76, reason: error.description)
        case .badFile: return RemoteError(code: .badFile, exitCode: 66, reason: error.description)
        case .digestMismatch: return RemoteError(code: .digestMismatch, exitCode: 76, reason: error.description)
        case .tooLarge: return RemoteError(code: .tooLarge, exitCode: 65, reason: error.description)
        default: return RemoteError(code: .failed, exitCode: 70, reason: error.description)
        }
    }
}
