#include "config/document.h"

#include <errno.h>
#include <libconfig.h>
#include <stdlib.h>
#include <string.h>

#include "config/text_scan.h"

struct document {
    config_t tree;
};

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define __SANITIZE_ADDRESS__ 1 /* gcc's name for it */
#endif
#endif

#if defined(__SANITIZE_ADDRESS__)
/* libconfig 1.5 forgets strings that it holds when it meets a syntax error: some bytes each
 * time that a broken file is read. Its leaks are not ours; what we forget to give back to it
 * shows in our own struct document. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_options(void);

const char *
__lsan_default_suppressions(void)
{
    return "leak:libconfig.so\n";
}

const char *
__lsan_default_options(void)
{
    return "print_suppressions=0";
}
#endif

struct document *
document_create(void)
{
    struct document *document = malloc(sizeof *document);

    if (document != NULL)
        config_init(&document->tree);
    return document;
}

void
document_destroy(struct document *document)
{
    if (document == NULL)
        return;
    config_destroy(&document->tree);
    free(document);
}

struct config_setting_t *
document_root(struct document *document)
{
    return config_root_setting(&document->tree);
}

/* libconfig names what the grammar missed, not what to do about it. */
static void
tell_syntax_error(const config_t *tree, struct problems *problems)
{
    const char *text = config_error_text(tree);
    unsigned line = (unsigned)config_error_line(tree);

    if (strcmp(text, "mismatched element type in array") == 0)
        problem_tell(problems, line, "",
                     "syntax error: [ ] takes elements of one type only; write a list of "
                     "numbers and strings in ( )");
    else if (strcmp(text, "duplicate setting name") == 0)
        problem_tell(problems, line, "", "syntax error: this key stands twice in one group");
    else
        problem_tell(problems, line, "",
                     "%s in this line or just before it: look for a missing \";\", \",\", "
                     "quote or bracket",
                     text);
}

int
document_parse(const char *text, size_t length, struct problems *problems,
               struct document **document)
{
    struct document *made;
    struct text_wide wide;
    char *widened = NULL;
    int rc = 0;

    if (!text_scan(text, length, problems, &wide))
        return -EINVAL;
    if (wide.count > 0 && (widened = text_widen(&wide, length)) == NULL)
        return -ENOMEM;
    made = document_create();
    if (made == NULL) {
        rc = -ENOMEM;
    } else if (config_read_string(&made->tree, widened ? widened : text) != CONFIG_TRUE) {
        tell_syntax_error(&made->tree, problems);
        document_destroy(made);
        rc = -EINVAL;
    } else {
        *document = made;
    }
    free(widened);
    return rc;
}
