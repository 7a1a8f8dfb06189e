// SPDX-License-Identifier: Apache-2.0

/// What the answerer tells while a call runs.
public enum CallEvent: Sendable {
    /// How far it is.
    case progress(Progress)
    /// A line for the log.
    case log(LogLine)
}

/// The answer to a call.
public struct Response: Sendable {
    /// The status arguments.
    public let arguments: [Argument]
    /// The response body; it has the trailer at its end.
    public let body: InboundBody
}

/// A call that this side has opened.
///
/// Dropping it without having taken the whole answer cancels the call.
public final class OutgoingCall: Sendable {
    private let connection: Connection
    private let id: UInt64
    private let record: CallRecordReference
    private let callEvents: CallEvents
    private let answer: ResponseSlot
    private let inbound: InboundQueue
    private let statisticsBox: StatisticsBox
    private let limits: ConnectionLimits

    /// Progress and log lines, as they come; ends with the call.
    ///
    /// At most 256 wait for a slow reader, the newest.
    public var events: AsyncStream<CallEvent> { callEvents.stream }

    init(
        connection: Connection,
        id: UInt64,
        record: CallRecordReference,
        answer: ResponseSlot,
        inbound: InboundQueue,
        statistics: StatisticsBox,
        limits: ConnectionLimits,
        events: CallEvents
    ) {
        self.connection = connection
        self.id = id
        self.record = record
        self.answer = answer
        self.inbound = inbound
        self.statisticsBox = statistics
        self.limits = limits
        callEvents = events
    }

    /// Whether the answerer has said (PROGRESS with FINAL) that its effects may be lasting: the call must not be retried.
    ///
    /// True also when the event itself was dropped for want of a reader.
    public var isFinal: Bool { statisticsBox.isFinal }

    /// The last that the answerer told of how far it is; nil before it did.
    public var lastProgress: Progress? { statisticsBox.lastProgress }

    /// How many log lines were dropped, on either side, because they came faster than they were taken.
    public var logLinesDropped: UInt64 { statisticsBox.logLinesDropped }

    /// What the call has moved so far; readable at any time.
    public var statistics: CallStatistics { statisticsBox.current }

    /// Waits for the answer to begin.
    ///
    /// Cancelling the waiting task cancels the call.
    public func response() async throws(CallError) -> Response {
        let result = await withTaskCancellationHandler {
            await answer.take()
        } onCancel: {
            cancel()
        }
        return response(try result.get())
    }

    /// `landing`: where the body goes that the reactor has accepted already.
    func response(_ head: ResponseHead, landing: BodyLanding? = nil) -> Response {
        let body = InboundBody(
            connection: connection,
            id: id,
            queue: inbound,
            offer: head.offer,
            whole: head.whole,
            limits: limits,
            landing: landing,
            call: self
        )
        return Response(arguments: head.arguments, body: body)
    }

    /// Gives up the call; the connection stays usable.
    ///
    /// Whoever waits for it gets ``CallError/cancelled``.
    public func cancel() {
        let connection = connection
        let id = id
        connection.reactor.perform { connection.assumeIsolated { $0.cancelCall(id) } }
    }

    /// Refuses the response before its body moves.
    public func refuse(_ code: ErrorCode, limit: UInt64 = 0, reason: String) async {
        await connection.refuseCall(id, Refuse(code: code, limit: limit, reason: reason))
    }

    /// Whether the other side is done with the call too.
    package var isOver: Bool { statisticsBox.isOver }

    /// Waits until the other side is done with the call too, also after ``cancel()``.
    public func finished() async {
        guard !isOver else { return }
        await connection.waitUntilForgotten(record)
    }

    deinit {
        guard !isOver else { return }
        let connection = connection
        let id = id
        connection.reactor.perform { connection.assumeIsolated { $0.abandonCall(id) } }
    }
}
