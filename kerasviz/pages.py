"""What all HTML pages share: one file each that needs nothing beside it, for light and dark screens and for paper.

The base template, `page.html.j2`, holds the head with a policy that lets the browser fetch nothing, the colours and the
styles of headings, tables, forms (`class="controls"`) and paper. A page extends it:

    {% extends "page.html.j2" %}
    {% block title %}…{% endblock %}
    {% block style %}rules of CSS{% endblock %}
    {% block body %}…{% endblock %}
    {% block script %}JavaScript{% endblock %}
"""

from importlib import resources

_BASE = "page.html.j2"
#: Okabe and Ito's palette, whose colours the colour-blind can tell apart; without its yellow, which fades on white.
COLORS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#8C8C8C")


def render(package: str, template: str, **names) -> str:
    """The text of a page.

    Args:
        package: where the template is, such as `__package__`.
        template: its file, which extends "page.html.j2".
        **names: what the template may name. Text is escaped; a name that it uses and that is not there is an error.

    Returns:
        HTML.
    """
    import jinja2

    def source(name):
        return (resources.files("kerasviz" if name == _BASE else package) / name).read_text(encoding="utf-8")

    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(source),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(template).render(names)
