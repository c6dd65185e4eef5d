import hooks from 'eslint-plugin-react-hooks';
import tseslint from 'typescript-eslint';

export default tseslint.config(
  ...tseslint.configs.recommended,
  {
    plugins: { 'react-hooks': hooks },
    rules: {
      ...hooks.configs.recommended.rules,
      curly: 'error',
      eqeqeq: 'error',
      'no-restricted-syntax': [
        'error',
        {
          selector: 'JSXAttribute[name.name=dangerouslySetInnerHTML]',
          message: 'What catalogues say is text, never HTML.'
        }
      ]
    }
  },
  { files: ['**/__tests__/**'], rules: { '@typescript-eslint/no-explicit-any': 'off' } }
);
