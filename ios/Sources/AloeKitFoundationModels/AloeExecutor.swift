#if canImport(FoundationModels) && compiler(>=6.4)
    import AloeKit
    import FoundationModels

    /// Answers the requests of one `LanguageModelSession`, in one conversation of AloeKit.
    @available(iOS 27.0, macOS 27.0, visionOS 27.0, *)
    public final class AloeExecutor: LanguageModelExecutor {
        public typealias Model = AloeLanguageModel

        /// What the framework knows an executor by: the same assistant and parameters share one.
        public struct Configuration: Hashable, Sendable {
            let assistant: Assistant
            let params: SessionParams

            public static func == (one: Self, other: Self) -> Bool {
                one.assistant === other.assistant && one.params == other.params
            }

            public func hash(into hasher: inout Hasher) {
                hasher.combine(ObjectIdentifier(assistant))
                hasher.combine(params)
            }
        }

        private let conversation: ProvidedConversation

        public init(configuration: Configuration) throws {
            conversation = ProvidedConversation(configuration.assistant, configuration.params)
        }

        public func respond(
            to request: LanguageModelExecutorGenerationRequest,
            model: Model,
            streamingInto channel: LanguageModelExecutorGenerationChannel
        ) async throws {
            let asked = try AskedTurn(request)
            do {
                let session = try await conversation.session(for: asked)
                for try await event in session.send(asked.message) {
                    switch event {
                    case let .piece(text):
                        // A piece is up to eight tokens; the true count comes with the usage.
                        await channel.send(.response(action: .appendText(text, tokenCount: 0)))
                    case let .done(turn):
                        await conversation.answered()
                        await channel.send(.response(action: Self.usage(turn.stats)))
                    }
                }
            } catch let AloeError.contextExceeded(required, available) {
                throw LanguageModelError.contextSizeExceeded(
                    .init(
                        contextSize: Int(available), tokenCount: Int(required),
                        debugDescription: "The message is longer than the context."))
            }
        }

        private static func usage(
            _ stats: GenerationStats
        ) -> LanguageModelExecutorGenerationChannel.Response.Action {
            .updateUsage(
                input: .init(totalTokenCount: Int(stats.promptTokens), cachedTokenCount: Int(stats.cachedTokens)),
                output: .init(totalTokenCount: Int(stats.replyTokens), reasoningTokenCount: 0))
        }
    }
#endif
