package dev.aloekit

/*
 * Records and errors that need no Kotlin of their own: the generated data classes under the names of this package.
 */

public typealias AssistantParams = dev.aloekit.ffi.AssistantParams
public typealias EngineParams = dev.aloekit.ffi.EngineParams
public typealias EmbedderParams = dev.aloekit.ffi.EmbedderParams
public typealias SessionParams = dev.aloekit.ffi.SessionParams
public typealias SamplingParams = dev.aloekit.ffi.SamplingParams
public typealias ConversationChoice = dev.aloekit.ffi.ConversationChoice
public typealias ReplyForm = dev.aloekit.ffi.ReplyForm
public typealias Overflow = dev.aloekit.ffi.Overflow
public typealias OnDamage = dev.aloekit.ffi.OnDamage
public typealias Durability = dev.aloekit.ffi.Durability
public typealias KvType = dev.aloekit.ffi.KvType
public typealias FlashAttention = dev.aloekit.ffi.FlashAttention
public typealias Pooling = dev.aloekit.ffi.Pooling
public typealias Adapter = dev.aloekit.ffi.Adapter
public typealias Turn = dev.aloekit.ffi.Turn
public typealias Fact = dev.aloekit.ffi.Fact
public typealias SupersededFact = dev.aloekit.ffi.SupersededFact
public typealias Memory = dev.aloekit.ffi.Memory
public typealias MemoryKind = dev.aloekit.ffi.MemoryKind
public typealias Origin = dev.aloekit.ffi.Origin
public typealias Recalled = dev.aloekit.ffi.Recalled
public typealias ForgetReport = dev.aloekit.ffi.ForgetReport
public typealias LearnReport = dev.aloekit.ffi.LearnReport
public typealias ImportReport = dev.aloekit.ffi.ImportReport
public typealias VectorStatus = dev.aloekit.ffi.VectorStatus
public typealias ConversationInfo = dev.aloekit.ffi.ConversationInfo
public typealias StoredTurn = dev.aloekit.ffi.StoredTurn
public typealias ReplyState = dev.aloekit.ffi.ReplyState
public typealias StopReason = dev.aloekit.ffi.StopReason
public typealias GenerationStats = dev.aloekit.ffi.GenerationStats
public typealias ModelInfo = dev.aloekit.ffi.ModelInfo
public typealias MemoryEstimate = dev.aloekit.ffi.MemoryEstimate

/** Why a call failed; its subclasses are what an app can act on. */
public typealias AloeException = dev.aloekit.ffi.AloeException
