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
        },
        {
          selector: 'JSXText[value=/[A-Za-z\\u00c0-\\u024f]{2}/]',
          message: 'What a person sees goes through trans.__().'
        },
        {
          selector:
            'JSXAttribute[name.name=/^(title|alt|label|placeholder|aria-(label|description|roledescription|valuetext))$/] > Literal[value=/[A-Za-z]{2}/]',
          message: 'What a person sees goes through trans.__().'
        },
        {
          // the collector of translations reads plain strings only
          selector:
            'CallExpression[callee.property.name=/^(__|_n|_p|_np)$/][callee.object.name="trans"] > :matches(TemplateLiteral, BinaryExpression).arguments:first-child',
          message: 'Only a plain string can be translated.'
        }
      ]
    }
  },
  { files: ['**/__tests__/**'], rules: { '@typescript-eslint/no-explicit-any': 'off', 'no-restricted-syntax': 'off' } }
);
