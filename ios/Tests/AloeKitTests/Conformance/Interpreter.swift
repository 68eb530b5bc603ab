import AloeKit
import AloeKitTesting
import Foundation

/// Carries out the steps of one case.
actor Interpreter {
    private var kept: [String: String]
    private var assistant: Assistant?
    private var session: Session?
    private var lastTurn: Int64 = 0
    private let folder: URL
    private var noted: [String: Data] = [:]

    init(folder: URL, model: String) {
        self.folder = folder
        kept = ["DIR": folder.path, "MODEL": model]
    }

    func run(_ steps: [[String: JSON]]) async throws {
        for step in steps { try await expect(step) }
    }

    private func expect(_ fields: [String: JSON]) async throws {
        let step = Step(fields: fields, kept: kept)
        guard let wanted = step.optional("error") else { return try await perform(step) }
        do {
            try await perform(step)
        } catch let error as AloeError {
            try require(ErrorNames.name(of: error) == wanted, "\(wanted) was expected, not \(error): \(step)")
            for (name, value) in step.expectations() {
                try require(ErrorNames.field(name, of: error) == value, "\(name) is not \(value): \(error)")
            }
            return
        }
        throw Failure("\(wanted) was expected: \(step)")
    }

    /// Every file of the case, with its bytes.
    private func files() throws -> [String: Data] {
        let names = try FileManager.default.subpathsOfDirectory(atPath: folder.path)
        let urls = names.map { ($0, folder.appendingPathComponent($0)) }.filter { !$0.1.isFolder }
        return try Dictionary(uniqueKeysWithValues: urls.map { ($0, try Data(contentsOf: $1)) })
    }

    private func opened() throws -> Assistant {
        guard let assistant else { throw Failure("no assistant was opened") }
        return assistant
    }

    private func talk() throws -> Session {
        guard let session else { throw Failure("no session was opened") }
        return session
    }

    private func perform(_ step: Step) async throws {
        switch try step.text("do") {
        case "open": assistant = try await Assistant.open(AssistantParams(step))
        case "open_scripted": assistant = try await ScriptedAssistant.open(Script(step), key: step.key())
        case "session": session = try await opened().session(SessionParams(step))
        case "send": try await send(step)
        case "send_to": lastTurn = try await sendTo(talk(), step).turn
        case "cancel": try await cancel(talk(), step)
        case "busy": try await busy(talk(), step)
        case "kinds": try await kinds(step)
        case "background": try await opened().enterBackground()
        case "foreground": try opened().enterForeground()
        case "background_during": try await backgroundDuring(opened(), talk(), step)
        case "adapters": try await talk().setAdapters(step.texts("paths").map { Adapter(path: $0) })
        case "estimate": try await estimate(step)
        case "write": try step.text("text").write(toFile: step.text("path"), atomically: false, encoding: .utf8)
        case "write_bytes": try step.bytes("hex").write(to: URL(fileURLWithPath: step.text("path")))
        case "close_session": await (try talk()).closeAndWait()
        case "close": await (try opened()).closeAndWait()
        case "repeat": for _ in 0..<(try step.count("times")) { try await run(step.steps("steps")) }
        case "parallel": try await parallel(step)
        case "settle": try await opened().settle()
        case "rekey": try await opened().rekey(step.someKey())
        case "encrypt":
            try await Assistant.encryptMemory(URL(fileURLWithPath: step.text("path")), key: step.someKey())
        case "note_files": noted = try files()
        case "same_files": try require(try files() == noted, "bytes were changed: \(step)")
        case "hidden_in_files":
            let words = Data(try step.text("text").lowercased().utf8)
            let shown = try files().filter { Data($0.value.map(lowercase)).range(of: words) != nil }
            try require(shown.isEmpty, "\(shown.keys) show it: \(step)")
        default: try await rights(step)
        }
    }

    /// The user's rights over what is known of them.
    private func rights(_ step: Step) async throws {
        let persona = try opened().persona
        switch try step.text("do") {
        case "learn": try await persona.learn()
        case "facts":
            let facts = try await persona.facts()
            if let name = step.optional("keep"), let fact = facts.first { kept[name] = String(fact.id) }
            try check(step, facts.map(\.text))
        case "memories": try check(step, try await persona.memories().map(\.text))
        case "why": try check(step, try await persona.why(turn: lastTurn).map(\.text))
        case "remember": try check(step, try await persona.search(step.text("text")).map(\.text))
        case "edit":
            let text = try step.text("text")
            let edited = try await persona.edit(Int64(step.count("id")), text: text)
            try require(edited.text == text, "\(edited)")
        case "pin": try await persona.setPinned(Int64(step.count("id")), step.flag("pinned"))
        case "forget":
            let report = try await persona.forget(Int64(step.count("id")))
            try require(report.wiped, "\(report)")
        case "forget_topic": try await persona.forgetAll(persona.findTopic(step.text("text")).map(\.id))
        case "export": try await persona.export(to: URL(fileURLWithPath: step.text("path")))
        case "import": try await persona.importFrom(URL(fileURLWithPath: step.text("path")))
        case "erase": try await persona.eraseAll()
        default:
            let known = try await feedback(opened(), session, lastTurn, step)
            try require(known, "no such step: \(step)")
        }
    }

    private func send(_ step: Step) async throws {
        var events: [ReplyEvent] = []
        for try await event in try talk().send(step.message()) { events.append(event) }
        let turn = try wholeTurn(events, step)
        lastTurn = turn.turn
        if let words = step.optional("recalls") {
            try require(turn.facts.contains { $0.text.contains(words) }, "recalled: \(turn.facts)")
        }
        if let words = step.optional("stands") {
            try require(turn.persona.contains { $0.text.contains(words) }, "in the instructions: \(turn.persona)")
        }
        if let words = step.optional("stands_not") {
            try require(!turn.persona.contains { $0.text.contains(words) }, "in the instructions: \(turn.persona)")
        }
        if step.flag("cached") { try require(turn.stats.cachedTokens > 0, "\(turn.stats)") }
        try checkMeasured(turn, step)
    }

    private func kinds(_ step: Step) async throws {
        let names = try step.texts("fails_with")
        try require(Set(names) == Set(ErrorNames.all.map(ErrorNames.name)), "the cases do not name every error")
        let replies = try names.flatMap {
            [ScriptedReply(["so far"], failsWith: try ErrorNames.make($0)), ScriptedReply(["fine"])]
        }
        let assistant = try await ScriptedAssistant.open(Script(replies: replies))
        let session = try await assistant.session()
        for name in names {
            let error = await failure { for try await _ in session.send("go") {} }
            try require((error as? AloeError) == ErrorNames.make(name), "\(name) came as \(String(describing: error))")
            let turn = try await turn(of: session, "again")
            try require(turn.reply == "fine", "after \(name): \(turn.reply)")
        }
        await assistant.closeAndWait()
    }

    private func parallel(_ step: Step) async throws {
        let steps = try step.steps("steps")
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<(try step.count("times")) { group.addTask { try await self.run(steps) } }
            try await group.waitForAll()
        }
    }

    private func estimate(_ step: Step) async throws {
        let params = EngineParams(model: try step.text("model"), nCtx: step.number("n_ctx").map(UInt32.init) ?? 4096)
        let estimate = try await Assistant.estimateMemory(params)
        try require(estimate.requiredMib > 0 && estimate.availableMib > 0, "\(estimate)")
    }
}

private func lowercase(_ byte: UInt8) -> UInt8 { (0x41...0x5A).contains(byte) ? byte | 0x20 : byte }

extension URL {
    fileprivate var isFolder: Bool { (try? resourceValues(forKeys: [.isDirectoryKey]))?.isDirectory == true }
}
