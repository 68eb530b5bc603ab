#if canImport(FoundationModels) && compiler(>=6.4)
    import AloeKit
    import FoundationModels

    /// What one request asks for: the newest message, what stands before it, and how to answer.
    @available(iOS 27.0, macOS 27.0, visionOS 27.0, *)
    struct AskedTurn {
        let message: String
        let instructions: String?
        /// Prompts of the user before this one.
        let earlierPrompts: Int
        let temperature: Float?
        let maxReplyTokens: UInt32?

        init(_ request: LanguageModelExecutorGenerationRequest) throws {
            var (instructions, prompts) = ([String](), [String]())
            for entry in request.transcript {
                switch entry {
                case let .instructions(entry): instructions.append(try Self.text(entry.segments))
                case let .prompt(entry): prompts.append(try Self.text(entry.segments))
                case .response: break // the conversation has it already
                default: throw Self.unsupported([entry], "Only text is taken.")
                }
            }
            guard let message = prompts.popLast() else { throw Self.unsupported([], "There is no prompt to answer.") }
            self.message = message
            self.instructions = instructions.isEmpty ? nil : instructions.joined(separator: "\n")
            earlierPrompts = prompts.count
            let options = request.generationOptions
            temperature = options.samplingMode == .greedy ? 0 : options.temperature.map { Float($0) }
            maxReplyTokens = options.maximumResponseTokens.map { UInt32(clamping: $0) }
        }

        private static func text(_ segments: [Transcript.Segment]) throws -> String {
            try segments.map { segment in
                guard case let .text(text) = segment else { throw unsupported([], "Only text is taken.") }
                return text.content
            }.joined()
        }

        static func unsupported(_ entries: [Transcript.Entry], _ why: String) -> LanguageModelError {
            .unsupportedTranscriptContent(.init(unsupportedContent: entries, debugDescription: why))
        }
    }

    /// The conversation behind one `LanguageModelSession`.
    ///
    /// AloeKit keeps the turns itself, in its store and in the KV cache, so only the newest message is sent on. A
    /// transcript from elsewhere has turns that it does not know, and is refused.
    @available(iOS 27.0, macOS 27.0, visionOS 27.0, *)
    actor ProvidedConversation {
        private let assistant: Assistant
        private var params: SessionParams
        private var session: Session?
        private var answers = 0

        init(_ assistant: Assistant, _ params: SessionParams) {
            self.assistant = assistant
            self.params = params
        }

        func answered() {
            answers += 1
        }

        /// The session that answers this turn. One that must talk otherwise than before is opened on the same
        /// conversation.
        func session(for asked: AskedTurn) async throws -> Session {
            guard asked.earlierPrompts <= answers else {
                throw AskedTurn.unsupported([], "The transcript has turns that this conversation has not.")
            }
            var wanted = params
            wanted.systemPrompt = asked.instructions ?? params.systemPrompt
            wanted.maxReplyTokens = asked.maxReplyTokens ?? params.maxReplyTokens
            if let temperature = asked.temperature {
                var sampling = params.sampling ?? SamplingParams()
                sampling.temperature = temperature
                wanted.sampling = sampling
            }
            if let session, wanted == params { return session }
            if let session {
                wanted.conversation = .id(id: session.conversation)
                self.session = nil
                await session.closeAndWait()
            }
            let opened = try await assistant.session(wanted)
            session = opened
            params = wanted
            return opened
        }
    }
#endif
