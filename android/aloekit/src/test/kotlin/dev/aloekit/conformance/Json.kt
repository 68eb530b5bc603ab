package dev.aloekit.conformance

/** Reads JSON into maps, lists, strings, numbers, booleans and null: the tests bring no library for it. */
internal class Json private constructor(
    private val text: String,
) {
    private var at = 0

    private fun value(): Any? {
        space()
        return when (text[at]) {
            '{' -> members()
            '[' -> elements()
            '"' -> string()
            else -> literal()
        }
    }

    private fun members(): Map<String, Any?> =
        buildMap {
            list('}') {
                val key = string()
                space()
                check(text[at++] == ':') { "no colon at $at" }
                put(key, value())
            }
        }

    private fun elements(): List<Any?> = buildList { list(']') { add(value()) } }

    private fun list(
        end: Char,
        one: () -> Unit,
    ) {
        at++
        space()
        while (text[at] != end) {
            one()
            space()
            if (text[at] == ',') at++
            space()
        }
        at++
    }

    private fun string(): String =
        buildString {
            at++
            while (text[at] != '"') {
                if (text[at] == '\\') append(escape()) else append(text[at++])
            }
            at++
        }

    private fun escape(): Char {
        val letter = text[at + 1]
        at += 2
        return when (letter) {
            'n' -> {
                '\n'
            }

            't' -> {
                '\t'
            }

            'r' -> {
                '\r'
            }

            'b' -> {
                '\b'
            }

            'f' -> {
                '\u000C'
            }

            'u' -> {
                text
                    .substring(at, at + 4)
                    .toInt(16)
                    .toChar()
                    .also { at += 4 }
            }

            else -> {
                letter
            }
        }
    }

    private fun literal(): Any? {
        val start = at
        while (at < text.length && text[at] !in ",]} \n\r\t") at++
        return when (val word = text.substring(start, at)) {
            "true" -> true
            "false" -> false
            "null" -> null
            else -> word.toDouble()
        }
    }

    private fun space() {
        while (at < text.length && text[at].isWhitespace()) at++
    }

    companion object {
        fun parse(text: String): Any? = Json(text).value()
    }
}
