import AloeKitFFI

// Records that need no Swift of their own: the generated structs under the names of this package.
public typealias AssistantParams = AloeKitFFI.AssistantParams
public typealias EngineParams = AloeKitFFI.EngineParams
public typealias EmbedderParams = AloeKitFFI.EmbedderParams
public typealias SessionParams = AloeKitFFI.SessionParams
public typealias SamplingParams = AloeKitFFI.SamplingParams
public typealias ConversationChoice = AloeKitFFI.ConversationChoice
public typealias ReplyForm = AloeKitFFI.ReplyForm
public typealias Overflow = AloeKitFFI.Overflow
public typealias OnDamage = AloeKitFFI.OnDamage
public typealias Durability = AloeKitFFI.Durability
public typealias KvType = AloeKitFFI.KvType
public typealias FlashAttention = AloeKitFFI.FlashAttention
public typealias Pooling = AloeKitFFI.Pooling
public typealias Adapter = AloeKitFFI.Adapter
public typealias Turn = AloeKitFFI.Turn
public typealias Fact = AloeKitFFI.Fact
public typealias SupersededFact = AloeKitFFI.SupersededFact
public typealias Memory = AloeKitFFI.Memory
public typealias MemoryKind = AloeKitFFI.MemoryKind
public typealias Origin = AloeKitFFI.Origin
public typealias Recalled = AloeKitFFI.Recalled
public typealias ForgetReport = AloeKitFFI.ForgetReport
public typealias LearnReport = AloeKitFFI.LearnReport
public typealias ImportReport = AloeKitFFI.ImportReport
public typealias VectorStatus = AloeKitFFI.VectorStatus
public typealias ConversationInfo = AloeKitFFI.ConversationInfo
public typealias StoredTurn = AloeKitFFI.StoredTurn
public typealias ReplyState = AloeKitFFI.ReplyState
public typealias StopReason = AloeKitFFI.StopReason
public typealias GenerationStats = AloeKitFFI.GenerationStats
public typealias ModelInfo = AloeKitFFI.ModelInfo
public typealias MemoryEstimate = AloeKitFFI.MemoryEstimate
