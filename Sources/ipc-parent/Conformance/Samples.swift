// SPDX-License-Identifier: Apache-2.0

import IPCFrame

/// A well-formed frame of each type, to be sent where it does not belong.
enum Samples {
    static let streamTypes: [FrameType] = [
        .request, .response, .accept, .refuse, .data, .credit, .end, .error, .reset, .stop, .progress, .log,
    ]

    static func frame(_ type: FrameType, stream: UInt64) -> [UInt8] {
        Session.frame(type, stream: stream, payload: payload(type))
    }

    private static func payload(_ type: FrameType) -> [UInt8] {
        Session.encoded { bytes in
            switch type {
            case .hello: Hello(capabilities: Capabilities()).encode(into: &bytes)
            case .welcome: Welcome(version: 1, capabilities: Capabilities()).encode(into: &bytes)
            case .reject:
                Reject(code: .versionMismatch, minVersion: 2, maxVersion: 2, limit: 2, reason: "a test")
                    .encode(into: &bytes)
            case .ready, .bye: break
            case .request: Request(method: "echo", offer: Offer(size: 0)).encode(into: &bytes)
            case .response: ResponseHead(offer: Offer(size: 0)).encode(into: &bytes)
            case .accept: Accept(limit: 1).encode(into: &bytes)
            case .refuse: Refuse(code: .notWanted, reason: "a test").encode(into: &bytes)
            case .data: bytes = [1]
            case .credit: Credit(consumed: 0, limit: 0).encode(into: &bytes)
            case .end: End(total: 0, digestKind: .none, digest: 0, trailer: Trailer()).encode(into: &bytes)
            case .error: RemoteError(code: .failed, reason: "a test").encode(into: &bytes)
            case .reset, .stop: Halt(code: .cancelled, reason: "a test").encode(into: &bytes)
            case .progress: Progress(completed: 0, unit: "").encode(into: &bytes)
            case .log: LogLine(level: .info, text: "a test").encode(into: &bytes)
            case .ping, .pong, .drain: Number(1).encode(into: &bytes)
            case .arena: bytes = [0, 0, 4, 0, 32, 0, 0, 0]
            }
        }
    }

    /// The same bytes in every run; they do not compress.
    static func random(_ count: Int, seed: UInt64 = 1) -> [UInt8] {
        var state = seed
        return [UInt8](capacity: count) { output in
            for _ in 0..<count {
                state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                output.append(UInt8(truncatingIfNeeded: state >> 33))
            }
        }
    }

    /// Lines of text; they compress.
    static func text(_ count: Int) -> [UInt8] {
        var result: [UInt8] = []
        result.reserveCapacity(count + 40)
        var line = 0
        while result.count < count {
            result += Array("\(line),Station \(line &* 7919 % 104_729),DE\n".utf8)
            line += 1
        }
        result.removeLast(result.count - count)
        return result
    }
}
