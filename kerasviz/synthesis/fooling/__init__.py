"""Images that a network takes for what nobody else sees in them: by gradient and by evolution."""
