// SPDX-License-Identifier: Apache-2.0
@testable import IPCFrame

/// Brings the half that a machine sends into a state, in every way there is; always with ten bytes on the way
/// where it sends.
struct SendScenes {
    typealias Scene = StateTableStreamTests.Scene

    let role: ConnectionStateMachine.Role

    init(_ role: ConnectionStateMachine.Role) { self.role = role }

    func scenes(_ side: String, _ state: String) throws -> [Scene] {
        switch (side, state) {
        case ("opener", "offered"): [try opener(.init(size: nil)), try opener(.init(size: 5, isHeld: true))]
        case ("opener", "sending"): [try accepted(), try sendingAtOnce()]
        case ("opener", "untaken"): [try untaken()]
        case ("opener", "ended"): [try endedAtOnce(), try stopped()]
        case ("answerer", "idle"): [answerer(Sample.unknown), answerer(Sample.small)]
        case ("answerer", "offered"): [try responded(Sample.unknown)]
        case ("answerer", "sending"): [try respondedAndAccepted(), try respondingAtOnce()]
        case ("answerer", "untaken"): [try respondedAndEnded()]
        case ("answerer", "ended"): [failed(), try respondedAtOnce(), try stoppedResponse()]
        default: []
        }
    }

    private func opener(_ offer: Offer) throws -> Scene {
        let rig = Rig.open(role)
        return Scene(rig: rig, id: try rig.call(offer))
    }

    private func accepted() throws -> Scene {
        let scene = try opener(Sample.unknown)
        scene.rig.feedAccept(1_000, on: scene.id)
        scene.rig.send(10, on: scene.id)
        return scene
    }

    private func sendingAtOnce() throws -> Scene {
        let scene = try opener(.init(size: 20))
        scene.rig.send(10, on: scene.id)
        return scene
    }

    private func untaken() throws -> Scene {
        let scene = try accepted()
        scene.rig.sendEnd(scene.id)
        return scene
    }

    private func endedAtOnce() throws -> Scene {
        let scene = try opener(.init(size: 10))
        scene.rig.send(10, on: scene.id)
        scene.rig.sendEnd(scene.id)
        return scene
    }

    private func stopped() throws -> Scene {
        let scene = try accepted()
        scene.rig.feedHalt(.stop, .notWanted, on: scene.id)
        return scene
    }

    // MARK: The answerer

    private func answerer(_ offer: Offer) -> Scene {
        let rig = Rig.open(role)
        return Scene(rig: rig, id: rig.beCalled(offer))
    }

    private func responded(_ offer: Offer) throws -> Scene {
        let scene = answerer(Sample.unknown)
        try scene.rig.perform { try $0.respond(scene.id, ResponseHead(offer: offer)) }
        return scene
    }

    private func respondedAndAccepted() throws -> Scene {
        let scene = try responded(Sample.unknown)
        scene.rig.feedAccept(1_000, on: scene.id)
        scene.rig.send(10, on: scene.id)
        return scene
    }

    private func respondingAtOnce() throws -> Scene {
        let scene = try responded(.init(size: 20))
        scene.rig.send(10, on: scene.id)
        return scene
    }

    private func respondedAndEnded() throws -> Scene {
        let scene = try respondedAndAccepted()
        scene.rig.sendEnd(scene.id)
        return scene
    }

    private func respondedAtOnce() throws -> Scene {
        let scene = try responded(.init(size: 10))
        scene.rig.send(10, on: scene.id)
        scene.rig.sendEnd(scene.id)
        return scene
    }

    private func failed() -> Scene {
        let scene = answerer(Sample.unknown)
        scene.rig.perform { $0.fail(scene.id, RemoteError(code: .failed, reason: "no")) }
        return scene
    }

    private func stoppedResponse() throws -> Scene {
        let scene = try respondedAndAccepted()
        scene.rig.feedHalt(.stop, .notWanted, on: scene.id)
        return scene
    }
}

/// Brings the half that a machine receives into a state, in every way there is.
struct ReceiveScenes {
    typealias Scene = StateTableStreamTests.Scene

    let role: ConnectionStateMachine.Role

    init(_ role: ConnectionStateMachine.Role) { self.role = role }

    func scenes(_ side: String, _ state: String) throws -> [Scene] {
        switch (side, state) {
        case ("opener", "awaitingResponse"): try Self.requests.map(opener)
        case ("opener", "offered"): try Self.requests.map { try responded($0, Sample.unknown) }
        case ("opener", "receiving"):
            try Self.requests.map(receiving) + [withData(try responded(Sample.small, Self.atOnce))]
        case ("opener", "taking"): try Self.requests.map(taking)
        case ("opener", "discarding"): try Self.requests.map(cancelled) + Self.requests.map(stopped)
        case ("answerer", "offered"): [answerer(Sample.unknown), answerer(.init(size: 5, isHeld: true))]
        case ("answerer", "receiving"): [accepted(), answerer(Self.atOnce)].map(withData)
        case ("answerer", "taking"): [ended(withData(accepted())), ended(withData(answerer(Sample.small)))]
        case ("answerer", "discarding"): [stopped(accepted()), failed(accepted()), failed(answerer(Sample.small))]
        case ("answerer", "ended"): [taken()]
        default: []
        }
    }

    /// Request bodies: whole before the answer comes, and not even accepted by then.
    private static let requests = [Sample.small, Sample.unknown]

    /// A body sent at once, with room for one more chunk of five bytes than a scene has sent.
    private static let atOnce = Offer(size: 10)

    private func opener(_ offer: Offer) throws -> Scene {
        let rig = Rig.open(role)
        let id = try rig.call(offer)
        if let size = offer.size {
            rig.send(Int(size), on: id)
            rig.sendEnd(id)
        }
        return Scene(rig: rig, id: id)
    }

    private func responded(_ request: Offer, _ offer: Offer) throws -> Scene {
        let scene = try opener(request)
        scene.rig.feed(.response, stream: scene.id, payload: Sample.response(offer))
        return scene
    }

    private func receiving(_ request: Offer) throws -> Scene {
        let scene = try responded(request, Sample.unknown)
        scene.rig.perform { $0.accept(scene.id) }
        return withData(scene)
    }

    private func taking(_ request: Offer) throws -> Scene {
        ended(try receiving(request))
    }

    private func cancelled(_ request: Offer) throws -> Scene {
        let scene = try opener(request)
        scene.rig.perform { $0.cancel(scene.id) }
        return scene
    }

    private func stopped(_ request: Offer) throws -> Scene {
        stopped(try receiving(request))
    }

    private func stopped(_ scene: Scene) -> Scene {
        scene.rig.perform { $0.stop(scene.id) }
        return scene
    }

    private func withData(_ scene: Scene) -> Scene {
        var scene = scene
        scene.rig.feedData(5, on: scene.id)
        scene.received = 5
        return scene
    }

    private func ended(_ scene: Scene) -> Scene {
        scene.rig.feedEnd(scene.received, on: scene.id)
        return scene
    }

    // MARK: The answerer

    private func answerer(_ offer: Offer) -> Scene {
        let rig = Rig.open(role)
        return Scene(rig: rig, id: rig.beCalled(offer))
    }

    private func accepted() -> Scene {
        let scene = answerer(Sample.unknown)
        scene.rig.perform { $0.accept(scene.id) }
        return scene
    }

    private func failed(_ scene: Scene) -> Scene {
        scene.rig.perform { $0.fail(scene.id, RemoteError(code: .failed, reason: "no")) }
        return scene
    }

    private func taken() -> Scene {
        let scene = ended(withData(accepted()))
        scene.rig.perform { machine in
            machine.consume(scene.id, count: 5)
            machine.take(scene.id)
        }
        return scene
    }
}
