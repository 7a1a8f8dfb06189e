// SPDX-License-Identifier: Apache-2.0

@testable import IPCFrame

extension AnyFrame {
    /// The fields as docs/vectors/valid.ndjson tells them; DATA's are checked apart.
    var fields: [String: JSON] {
        switch self {
        case .hello(let hello):
            hello.capabilities.fields
                .merging(["minVersion": JSON(hello.minVersion), "maxVersion": JSON(hello.maxVersion)]) { $1 }
        case .welcome(let welcome):
            welcome.capabilities.fields.merging(["version": JSON(welcome.version)]) { $1 }
        case .reject(let reject):
            [
                "code": JSON(reject.code), "minVersion": JSON(reject.minVersion),
                "maxVersion": JSON(reject.maxVersion), "limit": JSON(reject.limit), "reason": .string(reject.reason),
            ]
        case .ready, .data: [:]
        case .request(let request):
            request.whole.fields.merging([
                "deadline": JSON(request.deadline), "offer": request.offer.json, "method": .string(request.method),
                "arguments": .array(request.arguments.map(\.json)),
            ]) { $1 }
        case .response(let head):
            head.whole.fields.merging(
                ["offer": head.offer.json, "arguments": .array(head.arguments.map(\.json))]
            ) { $1 }
        case .accept(let accept):
            ["limit": JSON(accept.limit), "delivery": .string("\(accept.delivery)")]
        case .refuse(let refuse):
            ["code": JSON(refuse.code), "limit": JSON(refuse.limit), "reason": .string(refuse.reason)]
        case .credit(let credit): ["consumed": JSON(credit.consumed), "limit": JSON(credit.limit)]
        case .end(let end):
            [
                "total": JSON(end.total), "digest": .int(Int(end.digestKind.rawValue)), "value": JSON(end.digest),
                "trailer": end.trailer.json,
            ]
        case .error(let error): error.fields
        case .halt(let halt): ["code": JSON(halt.code), "reason": .string(halt.reason)]
        case .progress(let progress):
            [
                "completed": JSON(progress.completed), "total": JSON(progress.total),
                "unit": .string(progress.unit), "text": .string(progress.text),
                "counts": .array(progress.counts.map(\.json)), "final": .bool(progress.isFinal),
            ]
        case .log(let line):
            ["level": .string("\(line.level)"), "dropped": JSON(line.dropped), "text": .string(line.text)]
        case .number(let number): ["value": JSON(number.value)]
        case .bye(let trailer): ["trailer": trailer.json]
        case .arena(let arena): ["slotSize": JSON(arena.slotBytes), "slots": JSON(arena.slots)]
        }
    }
}

extension Capabilities {
    fileprivate var fields: [String: JSON] {
        [
            "maxChunk": JSON(limits.maxChunk), "maxStreams": JSON(limits.maxStreams),
            "initialCredit": JSON(limits.initialCredit), "codecs": JSON(codecs), "digests": JSON(digests),
            "features": JSON(features), "name": .string(name), "pid": JSON(pid),
        ]
    }
}

extension RemoteError {
    fileprivate var fields: [String: JSON] {
        var fields: [String: JSON] = [
            "code": JSON(code), "exitCode": JSON(exitCode), "retryable": .bool(isRetryable),
            "reason": .string(reason),
        ]
        if let peakRSS { fields["peakRSS"] = JSON(peakRSS) }
        return fields
    }
}

extension Offer {
    fileprivate var json: JSON {
        .object([
            "size": JSON(size), "codec": .int(Int(codec.rawValue)), "delivery": .string("\(delivery)"),
            "digest": .int(Int(digest.rawValue)), "hold": .bool(isHeld),
        ])
    }
}

extension WholeBody? {
    fileprivate var fields: [String: JSON] {
        guard let self else { return [:] }
        return ["body": JSON(Array(self.bytes)), "digest": JSON(self.digest), "trailer": self.trailer.json]
    }
}

extension Argument {
    fileprivate var json: JSON { .array([.string(key), JSON(value)]) }
}

extension Count {
    fileprivate var json: JSON { .array([.string(name), JSON(value)]) }
}

extension Trailer {
    fileprivate var json: JSON {
        var fields: [String: JSON] = [:]
        if let peakRSS { fields["peakRSS"] = JSON(peakRSS) }
        if let cpuMicroseconds { fields["cpuTime"] = JSON(cpuMicroseconds) }
        if let exitCode { fields["exitCode"] = JSON(exitCode) }
        if !counts.isEmpty { fields["counts"] = .array(counts.map(\.json)) }
        if !values.isEmpty { fields["values"] = .array(values.map(\.json)) }
        return .object(fields)
    }
}
