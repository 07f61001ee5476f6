"""Where scikit-learn's HTML representation of the estimators links to."""

from __future__ import annotations


class DocumentationLinkMixin:
    """The link behind the question mark of an estimator shown in a notebook."""

    _doc_link_module = "seqnets"
    _doc_link_template = "https://seqnets.readthedocs.io/en/stable/#{estimator_name}"
