package dev.aloekit.conformance

/** One step of a case: its fields, with names of what earlier steps kept put in. */
internal class Step(
    private val fields: Map<String, Any?>,
    private val kept: Map<String, String>,
) {
    val action: String get() = text("do")
    val error: String? get() = fields["error"] as String?

    fun has(name: String): Boolean = name in fields

    fun text(name: String): String = optional(name) ?: error("a step has no field $name: $fields")

    fun optional(name: String): String? = (fields[name] as String?)?.let(::filled)

    fun number(name: String): Long? =
        when (val value = fields[name]) {
            is Double -> value.toLong()
            is String -> filled(value).toLongOrNull()
            else -> null
        }

    fun flag(name: String): Boolean = fields[name] == true

    fun texts(name: String): List<String> = (fields[name] as List<*>).map { filled(it as String) }

    fun bytes(name: String): ByteArray = text(name).chunked(2) { it.toString().toInt(16).toByte() }.toByteArray()

    fun steps(name: String): List<Step> = (fields[name] as List<*>).map { Step(objects(it), kept) }

    fun expectations(): Map<String, Any?> = (fields["fields"])?.let(::objects) ?: emptyMap()

    private fun filled(text: String): String = kept.entries.fold(text) { filled, (name, value) -> filled.replace("\$$name", value) }

    override fun toString(): String = fields.toString()

    companion object {
        @Suppress("UNCHECKED_CAST")
        fun objects(value: Any?): Map<String, Any?> = value as Map<String, Any?>
    }
}
